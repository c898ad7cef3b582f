import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd import uri

PASSWORDS = [
    "plain-secret",
    "a.b.c.d",
    "50%off",
    "p@ss@word",
    "a/b/c/d",
    "a:b:c:d",
    "a#b#c#d",
    ".%@/:#",
    "100%25sure",
    "pä ss\"w'rd",
]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rtsp://h/s", ("rtsp", "", "", "h", None, "/s")),
        ("RTSP://u:p@h:554/s?a=1#x", ("rtsp", "u", "p", "h", 554, "/s?a=1#x")),
        ("rtsp://john.doe:a%40b@h", ("rtsp", "john.doe", "a@b", "h", None, "")),
        ("rtsp://u:a@b:c%@h/s", ("rtsp", "u", "a@b:c%", "h", None, "/s")),
        ("rtsp://u:p@h/s@2", ("rtsp", "u", "p", "h", None, "/s@2")),
        ("rtsp://token@h/", ("rtsp", "token", "", "h", None, "/")),
        ("rtsp://u:p@[2001:db8::1]:554/s", ("rtsp", "u", "p", "2001:db8::1", 554, "/s")),
        ("/clips/a@b.mp4", ("", "", "", "", None, "/clips/a@b.mp4")),
        ("rtsp://u:a/b@h/s", ("rtsp", "", "", "", None, "u:a/b@h/s")),
        ("rtsp:///s", ("rtsp", "", "", "", None, "/s")),
    ],
)
def test_an_address_comes_apart(text, parts):
    found = uri.split(text)
    assert (found.scheme, found.user, found.password, found.host, found.port, found.path) == parts


@pytest.mark.parametrize("password", PASSWORDS)
def test_an_address_with_any_password_goes_together_and_apart(password):
    address = uri.split("rtsp://viewer@192.0.2.1:554/s").with_password(password)
    assert uri.split(str(address)) == address


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_repr_of_an_address_shows_no_password(password):
    assert password not in repr(uri.split("rtsp://viewer@h").with_password(password))


@pytest.mark.parametrize("password", [each for each in PASSWORDS if not set(each) & set(" \"'")])
@pytest.mark.parametrize(
    "text", ["open {}", "'{}': 401", "({}).", "[tcp @ 0x5] {}: refused", "{}", "a,{},b", "rtsp://h/s,{}"]
)
def test_a_url_shows_no_login_wherever_it_stands(text, password):
    said = uri.redact(text.format(f"rtsp://john.doe:{password}@cam.local:554/s"))
    assert password not in said
    assert "doe" not in said
    assert "cam.local:554/s" in said


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_known_secret_is_hidden_in_every_spelling(password):
    forms = uri.forms([password])
    address = str(uri.split("rtsp://u@h").with_password(password)).partition(":")[2][2:]
    for text in (password, repr(password), address, address.lower(), f"x{password}y"):
        assert uri.redact(text, forms).count(uri.HIDDEN) >= 1
        assert password not in uri.redact(text, forms)


@pytest.mark.parametrize("key", ["password", "pwd", "token", "api_key"])
def test_a_token_in_a_query_is_hidden(key):
    assert uri.redact(f"http://h/v?user=a&{key}=s3cret&q=1") == f"http://h/v?user=a&{key}=***&q=1"


@pytest.mark.parametrize(
    "text", ["rtsp://192.0.2.10:554/stream1", "mail me at a@b.c", "12:30 @ 5", "50% of http://h/x"]
)
def test_what_holds_no_secret_stays(text):
    assert uri.redact(text) == text


def test_a_secret_too_short_to_look_for_is_hidden_in_urls():
    assert uri.forms(["abc"]) == ()
    assert "abc" not in uri.redact("rtsp://u:abc@h/s", uri.forms(["abc"]))


@pytest.mark.parametrize(
    ("text", "escaped"), [("a@b/c", "a%40b%2Fc"), ("a%40b", "a%40b"), ("50%", "50%25"), ("u:p", "u:p"), ("ä", "%C3%A4")]
)
def test_a_login_is_escaped_once(text, escaped):
    assert uri.escape_login(text) == escaped


@given(st.text())
def test_any_text_can_be_split_and_redacted(text):
    uri.split(text)
    uri.redact(text, uri.forms([text]))
