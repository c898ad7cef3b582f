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
