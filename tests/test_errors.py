from streamd import errors
from streamd.decode.source import StreamError


def tree(kind):
    return {kind.__name__}.union(*(tree(each) for each in kind.__subclasses__()))


def test_every_error_stands_in_the_tree_that_is_drawn():
    drawn = {word for line in errors.__doc__.splitlines() for word in line.split() if word.endswith("Error")}
    assert StreamError.__name__ in drawn
    assert drawn == tree(errors.StreamdError)
