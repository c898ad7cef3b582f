"""The pages that a daemon serves over HTTP, as its `metrics` section says."""

import json
import urllib.error
import urllib.request
from typing import Any

from streamd.errors import ClientError

TIMEOUT_S = 3.0
MAX_BYTES = 1 << 24  # a status of a thousand cameras is a thirtieth


def status(where: str, token: str = "") -> dict[str, Any]:
    """Return the status page of the daemon at ADDRESS:PORT.

    Raises:
        ClientError: nobody answers there, or not as a daemon does.
    """
    request = urllib.request.Request(f"http://{where}/status")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            found = json.loads(answer.read(MAX_BYTES))
    except urllib.error.HTTPError as error:
        mend = "give --token-file FILE" if error.code == 401 else "is that streamd?"
        raise ClientError(f"{where} answers {error.code} {error.reason}", mend=mend) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ClientError(
            f"nobody answers at {where}: {getattr(reason, 'strerror', None) or reason}",
            mend="is the daemon running, and `metrics:` in its configuration?",
        ) from error
    except ValueError as error:
        raise ClientError(f"{where} answers, but not as a daemon does", mend="is that streamd?") from error
    if not isinstance(found, dict) or not isinstance(found.get("cameras"), dict):
        raise ClientError(f"{where} answers, but not as a daemon does", mend="is that streamd?")
    return found
