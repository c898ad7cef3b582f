import numpy as np
from onnx import TensorProto, helper

from streamd.int8 import graph as graphs
from streamd.int8.head import find


def test_the_last_layer_of_every_branch_is_the_head(detector_model):
    assert find(graphs.prepare(detector_model)).last == {"box0_last", "box1_last", "cls0_last", "cls1_last"}


def test_the_expectation_over_a_distribution_is_decoding(detector_model):
    assert {"dfl", "dfl_soft", "levels", "output", "score", "stride"} <= find(graphs.prepare(detector_model)).decode


def test_names_do_not_matter(detector_model):
    model = type(detector_model)()
    model.CopyFrom(detector_model)
    for i, node in enumerate(model.graph.node):
        node.name = str(i)
    wanted = {str(i) for i, node in enumerate(detector_model.graph.node) if node.name.endswith("_last")}
    assert find(graphs.prepare(model)).last == wanted


def test_a_classifiers_head_is_its_last_layer(classifier_model):
    head = find(graphs.prepare(classifier_model))
    assert (head.last, head.decode) == ({"fc"}, frozenset())


def test_a_feature_that_is_also_an_output_stops_at_its_own_layer(net):
    feature = net.layer("images", 3, 8, name="body")
    head = find(graphs.prepare(net.model(net.conv(feature, 8, 4, name="last"), feature)))
    assert head.last == {"last", "body"}


def test_the_real_models_head_is_three_layers_a_level(real):
    graph = graphs.load(real / "yolox_nano.onnx")
    last = [node for node in graph.nodes if node.name in find(graph).last]
    assert sorted(graph.constant(node.input[1]).shape[0] for node in last) == [1, 1, 1, 4, 4, 4, 80, 80, 80]


def test_the_skip_path_of_a_residual_chain_is_no_head(net):
    x = net.layer("images", 3, 8, name="stem")
    for i in range(3):
        y = net.conv(net.layer(x, 8, 8, name=f"inner{i}"), 8, 8, name=f"outer{i}")
        x = net.node("Relu", net.node("Add", x, y, name=f"sum{i}"))
    assert find(graphs.prepare(net.model(x))).last == {"outer2"}


def test_both_sides_of_a_sum_of_branches_are_head(net):
    x = net.layer("images", 3, 8, name="body")
    total = net.node("Add", net.conv(x, 8, 4, name="a"), net.conv(x, 8, 4, name="b"))
    assert find(graphs.prepare(net.model(total))).last == {"a", "b"}


def test_a_box_that_matrix_products_refine_belongs_to_the_head(net):
    x = net.node("Reshape", net.layer("images", 3, 8), net.constant(np.array([1, -1, 8], np.int64)))

    def product(x, rows, name):
        return net.node("MatMul", x, net.constant(net.random.normal(size=(rows, 4)).astype(np.float32)), name=name)

    box = product(x, 8, "first")
    hidden = net.node("Relu", product(box, 4, "hidden"))
    head = find(graphs.prepare(net.model(net.node("Add", box, product(hidden, 4, "second")))))
    assert head.last == {"first", "second"}


def test_the_walk_goes_on_through_what_a_branch_takes_from_outside(net):
    x = net.conv(net.layer("images", 3, 8, name="body"), 8, 4, name="last")
    inside = helper.make_graph(
        [helper.make_node("Neg", [x], ["y"])], "then", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    )
    condition = net.constant(np.array(True))
    made = net.node("If", condition, then_branch=inside, else_branch=inside)
    assert find(graphs.prepare(net.model(made))).last == {"last"}
