import io
import os
import signal

from streamd.cli.live import Line, ended_at_once, interruptible


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def line(stream):
    clock = Clock()
    return Line("building a.engine", stream, clock), clock


def test_a_bar_with_its_time_and_phase():
    stream = Terminal()
    show, clock = line(stream)
    clock.now = 12.4
    show(0.5, "Timing tactics")
    assert stream.getvalue() == "\rbuilding a.engine [############------------]  50% 12 s Timing tactics"


def test_a_spinner_where_nobody_knows_how_far_it_is():
    stream = Terminal()
    show, clock = line(stream)
    for clock.now in (1, 2):
        show(None, "")
    assert stream.getvalue() == "\rbuilding a.engine / 1 s \rbuilding a.engine - 2 s "


def test_it_is_written_ten_times_a_second_at_most():
    stream = Terminal()
    show, clock = line(stream)
    for clock.now in (0.0, 0.05, 0.09, 0.1):
        show(clock.now, "")
    assert stream.getvalue().count("\r") == 2


def test_it_covers_what_it_wrote_before_and_leaves_nothing():
    stream = Terminal()
    show, clock = line(stream)
    show(0.1, "a long phase")
    clock.now = 1
    show(0.2, "short")
    written = stream.getvalue().split("\r")
    assert len(written[1]) == len(written[2])
    show.close()
    show.close()
    assert stream.getvalue().endswith("\r" + " " * len(written[2].rstrip()) + "\r")


def test_nothing_is_shown_to_a_file():
    stream = io.StringIO()
    show, _ = line(stream)
    show(0.5, "phase")
    show.close()
    assert stream.getvalue() == ""


def test_a_terminal_that_was_closed_is_not_missed():
    class Closed(Terminal):
        def write(self, text):
            raise OSError("gone")

    show, clock = line(Closed())
    for clock.now in (1, 2):
        show(0.5, "phase")
    show.close()


def test_a_long_line_is_cut():
    stream = Terminal()
    line(stream)[0](0.5, "x" * 300)
    assert len(stream.getvalue()) == 80


def test_ctrl_c_is_told_and_the_next_one_ends_the_process():
    before = signal.getsignal(signal.SIGINT)
    with interruptible(asks=True) as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped() and stopped()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_library_that_cannot_be_told_is_left_to_the_signal():
    with interruptible(asks=False):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_ends_an_import_and_is_heard_again_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with ended_at_once():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
