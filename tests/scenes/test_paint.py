"""The painter: shapes to pixels."""

import numpy as np
import pytest

from streamd.scenes.camera import Camera
from streamd.scenes.light import Light
from streamd.scenes.paint import Placed, draw, lay, silhouette
from streamd.scenes.shapes import Sketch


@pytest.fixture
def camera():
    return Camera.placed(320, 180, 1.0, (0.0, 2.0, 0.0), (0.0, 0.0))


@pytest.fixture
def light():
    none = np.zeros(3)
    return Light(np.ones(3), none, np.array([0.0, 1.0, 0.0]), False, np.zeros((0, 2)), none, none, 0.0)


def ball(x, y, z, radius=1.0):
    sketch = Sketch()
    sketch.ball((0, y, 0), radius, (200, 200, 200))
    return Placed(sketch.shape(), np.array([x, 0.0, z]), 0.0)


def test_a_ball_covers_a_disc_of_its_projected_size(camera, light):
    patch = draw(ball(0, 2, 10), camera, light)
    rows, cols = np.nonzero(silhouette(patch))
    across = 2 * camera.focal_px / 10
    assert cols.max() + 1 - cols.min() == pytest.approx(across, abs=2.5)
    assert rows.max() + 1 - rows.min() == pytest.approx(across, abs=2.5)


def test_twice_as_far_is_half_as_wide(camera, light):
    near, far = (np.count_nonzero(silhouette(draw(ball(0, 2, z), camera, light)).any(axis=0)) for z in (10, 20))
    assert near / far == pytest.approx(2, rel=0.12)


def test_what_is_behind_the_camera_is_not_drawn(camera, light):
    assert draw(ball(0, 2, -10), camera, light) is None


def test_a_face_that_looks_away_is_hidden(camera, light):
    sketch = Sketch()
    sketch.face([(1, 1, 0), (-1, 1, 0), (-1, 3, 0), (1, 3, 0)], (9, 9, 9), normal=(0, 0, 1))
    patch = draw(Placed(sketch.shape(), np.array([0.0, 0.0, 10.0]), 0.0), camera, light)
    assert not silhouette(patch).any()


def test_a_ground_point_and_its_pixel_agree(camera):
    pixels, depth = camera.project(np.array([[1.5, 0.0, 9.0]]))
    x, z, seen = camera.plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 0, 1.0]))
    col, row = np.floor(pixels[0]).astype(int)
    assert x[row, col] == pytest.approx(1.5, abs=0.1)
    assert z[row, col] == pytest.approx(9.0, abs=0.4)
    assert seen[row, col] == pytest.approx(depth[0], abs=0.4)


def test_laying_an_opaque_patch_replaces_the_picture(camera, light):
    picture = np.full((180, 320, 3), 50, np.uint8)
    lay(draw(ball(0, 2, 10), camera, light), picture)
    assert picture[90, 160].tolist() != [50, 50, 50]
    assert picture[0, 0].tolist() == [50, 50, 50]
