"""A thread that does one thing, beside the test."""

import threading


def in_thread(call):
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread
