from onnx import TensorProto, helper

from streamd.int8.bodies import captured, living, reads, redirect


def test_what_a_branch_takes_from_outside_counts_as_read():
    inside = helper.make_graph(
        [helper.make_node("Add", ["outer", "outer"], ["sum"])],
        "then",
        [],
        [helper.make_tensor_value_info("sum", 1, None)],
    )
    node = helper.make_node("If", ["condition"], ["y"], then_branch=inside, else_branch=inside)
    assert reads(node) == ["condition", "outer"]


def test_what_a_body_holds_itself_does_not_count_as_read():
    inside = helper.make_graph(
        [helper.make_node("Add", ["outer", "own"], ["sum"])],
        "then",
        [],
        [helper.make_tensor_value_info("sum", 1, None)],
        [helper.make_tensor("own", TensorProto.FLOAT, [1], [1.0])],
    )
    node = helper.make_node("If", ["condition"], ["y"], then_branch=inside, else_branch=inside)
    assert reads(node) == ["condition", "outer"]


def nested():
    """An If in an If; the inner one reads `outer`."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Neg", ["outer"], ["y"])], "inner", [], [value])
    choice = helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)
    body = helper.make_graph([choice], "body", [], [value])
    return helper.make_node("If", ["condition"], ["z"], then_branch=body, else_branch=body)


def test_a_body_in_a_body_is_seen():
    assert captured(nested()) == ["flag", "outer"] * 2


def test_bodies_can_be_led_to_other_tensors():
    node = nested()
    redirect(node, {"outer": "other", "condition": "no input of a body"})
    assert reads(node) == ["condition", "flag", "other"]


def test_only_what_the_outputs_depend_on_lives():
    maker, unread = helper.make_node("Relu", ["x"], ["outer"]), helper.make_node("Relu", ["x"], ["unread"])
    choice = nested()
    assert living([maker, unread, choice], ["z"]) == [maker, choice]
