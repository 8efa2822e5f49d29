"""What the environment variables may say; every refusal names its variable and what it received."""

from __future__ import annotations

import pytest

from perdure.contract import environment as env
from perdure.contract.environment import Encryption, InvalidSetting, Job, Keep, number, whole_number
from perdure.contract.interval import Budget, Every
from perdure.contract.prices import Prices


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("auto", Every()),
        (" auto ", Every()),
        ("500 steps", Every("steps", 500)),
        ("500steps", Every("steps", 500)),
        ("1 step", Every("steps", 1)),
        ("2.0 steps", Every("steps", 2)),
        ("30 s", Every("s", 30)),
        ("1 second", Every("s", 1)),
        ("0.5 seconds", Every("s", 0.5)),
        ("1 epoch", Every("epochs", 1)),
        ("  3   epochs ", Every("epochs", 3)),
    ],
)
def test_every(text, every):
    assert Every.parse(text) == every


@pytest.mark.parametrize(
    "text",
    ["", "Auto", "500", "steps", "0 steps", "0.0 s", "-1 s", "1e3 steps", "5 minutes", "5 stepss",
     "1.5 steps", "0.5 epochs", "1 s 2 s", "5 steps;", "inf s"],
)  # fmt: skip
def test_every_refuses(text):
    with pytest.raises(InvalidSetting, match=r"^PERDURE_EVERY: expected .* Received: ") as refusal:
        Every.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("every", "text"),
    [
        (Every(), "auto"),
        (Every("steps", 500), "500 steps"),
        (Every("s", 0.5), "0.5 s"),
        (Every("s", 123456.75), "123456.75 s"),
        (Every("steps", 1_000_000), "1000000 steps"),
        (Every("steps", 1_234_567), "1234567 steps"),
        (Every("s", 0.00001), "0.00001 s"),
        (Every("epochs", 1.0), "1 epochs"),
    ],
)
def test_every_says_what_it_parses(every, text):
    assert str(every) == text
    assert Every.parse(text) == every


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("last=3", Keep(3)),
        ("last=10", Keep(10)),
        ("last=1,best=val_loss:min", Keep(1, "val_loss", "min")),
        ("last=2,best=my accuracy:max", Keep(2, "my accuracy", "max")),
        ("last=3,every=1000 steps", Keep(3, every_steps=1000)),
        ("last=3,every=6 h", Keep(3, every_hours=6)),
        (
            "last=1,every=10 steps,every=24 h,best=loss:max",
            Keep(1, "loss", "max", every_steps=10, every_hours=24),
        ),
    ],
)
def test_keep(text, keep):
    assert Keep.parse(text) == keep
    assert str(keep) == text


@pytest.mark.parametrize(
    "text",
    ["", "3", "last=0", "last=-1", "last=03", "last=1.5", "last=all", "best=loss:min",
     "last=3,best=loss", "last=3,best=:min", "last=3,best=loss:least", "last=3, best=loss:min",
     "last=3,best=a:b:min", "last=3\n", "last=3,every=0 steps", "last=3,every=1.5 h", "every=6 h",
     "last=3,every=6", "last=3,every=6 h,every=7 h", "last=3,every=6 h,every=10 steps",
     "last=3,every=2 epochs"],
)  # fmt: skip
def test_keep_refuses(text):
    with pytest.raises(InvalidSetting, match=r"^PERDURE_KEEP: expected .* Received: ") as refusal:
        Keep.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("min=300 s", Budget(least_seconds=300)),
        ("min=0.5 s", Budget(least_seconds=0.5)),
        ("overhead=0.7 %", Budget(overhead=0.7 / 100)),
        ("overhead=29 %", Budget(overhead=0.29)),
        ("bytes=1024/h", Budget(bytes_per_hour=1024)),
        ("requests=12/h", Budget(requests_per_hour=12)),
        ("min=1 s,overhead=100 %,bytes=7/h,requests=0.5/h", Budget(1, 1.0, 7, 0.5)),
        ("min=1 s,requests=3/h", Budget(1, requests_per_hour=3)),
    ],
)
def test_a_budget_says_what_it_parses(text, budget):
    assert Every.parse(f"auto,{text}") == Every(budget=budget)
    assert str(Every(budget=budget)) == f"auto,{text}"


@pytest.mark.parametrize(
    ("text", "bytes_per_hour"),
    [("3Ki", 3072), ("2Mi", 2 << 20), ("1.5Gi", 3 << 29), ("1Ti", 1 << 40)],
)
def test_bytes_of_a_budget_have_units(text, bytes_per_hour):
    assert Every.parse(f"auto,bytes={text}/h").budget == Budget(bytes_per_hour=bytes_per_hour)


@pytest.mark.parametrize(
    "text",
    ["auto,", "auto,,min=1 s", "auto, min=1 s", "auto,min=0 s", "auto,min=60", "auto,min=60 s,",
     "auto,overhead=101 %", "auto,overhead=0 %", "auto,bytes=1G/h", "auto,bytes=1Gi", "auto,requests=-1/h",
     "auto,requests=5/h,min=1 s", "auto,min=1 s,min=1 s", "auto;min=1 s", f"auto,requests={'9' * 400}/h",
     "10 steps,min=1 s"],
)  # fmt: skip
def test_a_budget_that_is_none_is_refused(text):
    with pytest.raises(InvalidSetting, match=r"^PERDURE_EVERY: expected .* Received: ") as refusal:
        Every.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("write=0.005,read=0.0004,sent=0.02", Prices(0.005, 0.0004, 0.02)),
        ("write=5", Prices(write=5)),
        ("read=1,sent=0", Prices(read=1)),
    ],
)
def test_prices(text, prices):
    assert Prices.parse(text) == prices


@pytest.mark.parametrize(
    "text",
    ["", "0.005", "write=", "write=-1", "sent=1,write=1", "write=1;read=1", "write=1,", "put=1"],
)
def test_prices_refuse(text):
    with pytest.raises(InvalidSetting, match=r"^PERDURE_PRICES: expected .* Received: "):
        Prices.parse(text)


def test_a_price_is_of_requests_and_bytes():
    requests = {"write": 2000, "list": 1000, "read": 500, "delete": 10**9}
    assert Prices(write=2, read=4, sent=8).of(requests, 3 * 2**29) == 3 * 2 + 0.5 * 4 + 1.5 * 8


@pytest.mark.parametrize("text", ["default/digits/1", "a.b/c_d/E-9", "0/0/0"])
def test_job(text):
    assert str(Job.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "digits", "a/b", "a/b/c/d", "a//1", "/a/b", "a/b/", "../b/1", ".a/b/1", "a/-b/1", "a/b/1 ",
     "a/b/1\n", "a/ü/1", "a\\b/c/1"],
)  # fmt: skip
def test_job_refuses(text):
    with pytest.raises(InvalidSetting, match=r"^PERDURE_JOB: expected .* Received: ") as refusal:
        Job.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("environ", "least", "value"),
    [
        pytest.param({}, 0, 7, id="unset"),
        pytest.param({"N": ""}, 0, 7, id="empty is unset"),
        pytest.param({"N": "0"}, 0, 0, id="at the limit"),
        pytest.param({"N": "2.5"}, 1, 2.5, id="fraction"),
        pytest.param({"N": "1e3"}, 1, 1000, id="exponent"),
    ],
)
def test_number(environ, least, value):
    assert number(environ, "N", 7, least=least) == value


@pytest.mark.parametrize("read", [number, whole_number])
@pytest.mark.parametrize("text", ["x", "-1", "0", "0.5", "nan", "inf", "-inf", "1e999", "1,5"])
def test_number_refuses(read, text):
    with pytest.raises(InvalidSetting, match=f"^N: expected .* Received: '{text}'"):
        read({"N": text}, "N", 7, least=1)


@pytest.mark.parametrize(("text", "value"), [("2147483647", 2**31 - 1), ("3.0", 3), ("", 7)])
def test_whole_number(text, value):
    received = whole_number({"N": text}, "N", 7)
    assert received == value
    assert isinstance(received, int)


def test_whole_number_refuses_a_fraction():
    with pytest.raises(InvalidSetting, match=r"^N: expected a whole number\. Received: '1\.5'"):
        whole_number({"N": "1.5"}, "N", 7)


def test_all_are_the_names_and_nothing_else():
    assert {env.STORE, env.TERMINATION_LOG} < env.ALL
    assert all(isinstance(name, str) and name.startswith("PERDURE_") for name in env.ALL)


@pytest.mark.parametrize(
    ("text", "encryption"),
    [
        ("", Encryption()),
        ("AES256", Encryption("AES256")),
        ("aws:kms", Encryption("aws:kms")),
        ("aws:kms:alias/a-key", Encryption("aws:kms", "alias/a-key")),
        (
            "aws:kms:arn:aws:kms:eu-west-1:123456789012:key/mrk-1",
            Encryption("aws:kms", "arn:aws:kms:eu-west-1:123456789012:key/mrk-1"),
        ),
        (
            "aws:kms:12345678-1234-1234-1234-123456789abc",
            Encryption("aws:kms", "12345678-1234-1234-1234-123456789abc"),
        ),
    ],
)
def test_encryption(text: str, encryption: Encryption) -> None:
    assert Encryption.parse(text) == encryption


@pytest.mark.parametrize("text", ["aes256", "AES256:key", "kms", "aws:kms:", "aws:kms:dsse", "a\n"])
def test_another_encryption_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"PERDURE_SSE: expected 'AES256', 'aws:kms' or"):
        Encryption.parse(text)
