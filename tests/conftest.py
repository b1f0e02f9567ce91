"""What holds for every test."""

import signal

# A shell that runs the tests in the background has them ignore Ctrl-C, and with them the processes that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
