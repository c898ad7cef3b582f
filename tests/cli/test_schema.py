import json

import pytest
from click.testing import CliRunner

from streamd.cli.schema import KINDS, command


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_json_schema(kind):
    result = CliRunner().invoke(command, [kind])
    assert result.exit_code == 0
    assert {"properties", "$ref"} & json.loads(result.output).keys()


def test_an_unknown_kind_names_the_known_ones():
    result = CliRunner().invoke(command, ["nonsense"])
    assert result.exit_code == 2
    assert "'manifest'" in result.output


def test_durations_are_text_or_numbers():
    schema = json.loads(CliRunner().invoke(command, ["config"]).output)
    kinds = [each["type"] for each in schema["properties"]["drain_timeout"]["anyOf"]]
    assert kinds == ["string", "number"]


def test_bounds_and_unknown_keys_are_in_the_schema():
    model = json.loads(CliRunner().invoke(command, ["config"]).output)["$defs"]["Model"]
    assert (model["properties"]["batch"]["minimum"], model["properties"]["batch"]["maximum"]) == (1, 256)
    assert model["additionalProperties"] is False
