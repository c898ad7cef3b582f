"""How an engine runs on a stand-in of TensorRT: sizes of runs, shared memory, graphs, and what one that fails says."""

import pytest
import structlog

from streamd.errors import ModelError
from streamd.infer.contexts import sizes
from tests.infer.opened import means, open_engine
from tests.infer.standin import SCRATCH

SLOTS = 3


def test_what_a_run_costs_was_done_beforehand(host_as_tensorrt, version, engine):
    standin = host_as_tensorrt(version)
    backend = open_engine(engine(), batch=4)
    before, launched = standin.calls(), standin.gpu.launched
    for slot in range(SLOTS):
        for rows in (1, 2, 3, 4):
            assert means(backend, slot, *range(rows)) == list(range(rows))
    assert standin.calls() == before  # not a call of TensorRT's: graphs alone
    assert standin.gpu.launched - launched == 4 * SLOTS


def test_a_context_for_each_slot_and_size_shares_one_memory(host_as_tensorrt, version, engine):
    standin = host_as_tensorrt(version)
    open_engine(engine(), batch=4)
    assert standin.contexts == SLOTS * 3
    lent = standin.api.called("IExecutionContext.set_device_memory")
    lent += [(address, SCRATCH) for address in standin.api.called("IExecutionContext.device_memory")]
    assert len(lent) == SLOTS * 3 and len(set(lent)) == 1


def test_rtx_compiles_for_each_shape_before_it_is_captured(host_as_tensorrt, engine):
    standin = host_as_tensorrt("tensorrt_rtx 1.7.1.116")
    open_engine(engine(), batch=2)
    told = standin.api.called("IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy")
    assert told == [standin.api.DynamicShapesKernelSpecializationStrategy.EAGER] * 2 * SLOTS


@pytest.mark.parametrize(
    ("profile", "batch", "rows", "ran"),
    [((1, 4, 8), 8, 3, 4), ((1, 4, 8), 8, 5, 8), ((1, 4, 6), 6, 5, 6), ((4, 4, 8), 2, 1, 4), ((3, 4, 8), 8, 4, 4)],
)
def test_the_smallest_run_that_fits(host_as_tensorrt, engine, profile, batch, rows, ran):
    standin = host_as_tensorrt(profile=profile)
    backend = open_engine(engine(), batch=batch)
    assert means(backend, 0, *range(rows)) == list(range(rows))
    assert standin.runs[-1] == (ran, 3, 8, 8)


@pytest.mark.parametrize(
    ("least", "most", "want"),
    [(1, 1, (1,)), (1, 6, (1, 2, 4, 6)), (3, 9, (3, 4, 8, 9)), (4, 4, (4,)), (8, 16, (8, 16))],
)
def test_runs_have_one_of_few_sizes(least, most, want):
    assert sizes(least, most) == want


@pytest.mark.parametrize(("graphs", "refuses"), [(False, ()), (True, ("capture",))])
def test_without_graphs_it_runs_all_the_same(host_as_tensorrt, engine, graphs, refuses):
    standin = host_as_tensorrt("tensorrt_rtx 1.7.1.116", graphs=graphs, refuses=refuses)
    with structlog.testing.capture_logs() as lines:
        backend = open_engine(engine(), batch=4)
    assert [line["event"] for line in lines].count("no CUDA graphs") == 1
    before = standin.calls()["IExecutionContext.execute_async_v3"]
    assert means(backend, 0, 7, 8, 9) == [7, 8, 9]
    assert standin.calls()["IExecutionContext.execute_async_v3"] == before + 1
    assert standin.gpu.launched == 0


def test_a_profile_that_only_one_context_may_use(host_as_tensorrt, engine):
    standin = host_as_tensorrt("tensorrt 8.6.1", refuses=("profile",))
    with structlog.testing.capture_logs() as lines:
        backend = open_engine(engine(), batch=4)
    assert any("PROFILE_SHARING_0806" in line["event"] for line in lines)
    first, second = means(backend, 0, 1, 2, 3), means(backend, 1, 4)
    assert (first, second, standin.runs[-2:]) == ([1, 2, 3], [4], [(4, 3, 8, 8), (1, 3, 8, 8)])
    assert backend.outputs(0, 3)[0][:, 0].tolist() == [1, 2, 3]
    backend.close()


def test_a_run_that_fails_says_why(host_as_tensorrt, version, engine):
    standin = host_as_tensorrt(version, graphs=False)
    backend = open_engine(engine())
    standin.refuses = ("run",)
    with (
        structlog.testing.capture_logs() as lines,
        pytest.raises(ModelError, match=r"mean.engine: a run failed: enqueueV3: no memory for the context"),
    ):
        backend.enqueue(0, 1)
    assert next(line["says"] for line in lines if line["event"] == "TensorRT").startswith("enqueueV3")


def test_what_was_said_of_one_run_is_not_said_of_the_next(host_as_tensorrt, engine):
    standin = host_as_tensorrt(graphs=False)
    backend = open_engine(engine())
    standin.refuses = ("run",)
    said = []
    for _ in range(2):
        with pytest.raises(ModelError) as error:
            backend.enqueue(0, 1)
        said.append(str(error.value))
    assert said[0] == said[1] and "\n" not in said[0]
