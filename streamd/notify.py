"""What systemd is told over its notification socket (sd_notify(3)): ready, reloading, stopping, status, watchdog."""

import socket
from collections.abc import Mapping

SEND_S = 0.5  # how long a manager whose queue is full is waited for, before it goes without the message


class Notifier:
    """Speaks to the service manager, or to nobody where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC from `environment`; a leading `@` names an abstract socket."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.settimeout(SEND_S)
        self.watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1e6

    def __call__(self, **states: str) -> None:
        """Send `KEY=value` lines, such as READY="1" or STATUS="4 cameras".

        A manager that has gone is not missed, and one that does not read keeps nobody.
        """
        if self._socket is None:
            return
        message = "\n".join(f"{key}={value}" for key, value in states.items())
        try:
            self._socket.sendto(message.encode(), self._address)
        except TimeoutError:
            pass  # it may read again
        except OSError:
            self.close()

    def close(self) -> None:
        """Let the socket go; safe twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
