from streamd.engine.progress import Progress


def test_nothing_has_begun():
    assert (Progress().fraction, Progress().phase) == (0.0, "")


def test_phases_within_a_step_count_as_parts_of_it():
    progress = Progress()
    progress.start("all", None, 4)
    progress.step("all", 0)
    progress.start("inner", "all", 2)
    progress.step("inner", 0)
    assert (progress.fraction, progress.phase) == (0.25 + 0.125, "inner")
    progress.finish("inner")
    progress.step("all", 1)
    assert (progress.fraction, progress.phase) == (0.5, "all")


def test_it_never_goes_back():
    progress = Progress()
    progress.start("all", None, 2)
    progress.start("first", "all", 1)
    progress.step("first", 0)
    progress.finish("first")
    assert progress.fraction == 0.0  # nobody asked meanwhile
    progress.start("second", "all", 1)
    progress.step("second", 0)
    assert progress.fraction == 0.5
    progress.finish("second")
    progress.start("third", "all", 10)
    assert progress.fraction == 0.5


def test_the_end_is_the_end():
    progress = Progress()
    progress.start("all", None, 100)
    progress.finish("all")
    assert (progress.fraction, progress.phase) == (1.0, "")


def test_what_was_not_announced_is_passed_over():
    progress = Progress()
    progress.step("unknown", 3)
    progress.finish("unknown")
    progress.start("empty", None, 0)
    assert progress.fraction == 0.0
