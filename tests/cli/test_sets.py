import click
from click.testing import CliRunner

from streamd.cli.sets import added


def test_options_are_added_in_their_order():
    options = (click.option("--first", default=1), click.option("--second", is_flag=True))

    @click.command()
    @click.option("--before")
    @added(options)
    def command(before, first, second):
        click.echo((before, first, second))

    assert [parameter.name for parameter in command.params] == ["before", "first", "second"]
    assert CliRunner().invoke(command, ["--first", "7", "--second"]).output == "(None, 7, True)\n"
