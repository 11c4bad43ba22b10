"""Histories of `dumpsys batterystats`, in both forms."""

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.batterystats import FORMAT
from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError, energy_table
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

CHECKIN = """9,0,i,vers,36,214,A,B
9,hsp,0,1000,"an, app"
9,h,0:RESET:TIME:1700000000000
9,h,0,Bl=90,Bs=c,Bh=g,Bp=u,Bt=250,Bv=4200,Bcc=3000,+r,+w
9,h,5000,Bs=d,Bp=n,Bv=4000
9,h,10000,Bcc=2999
9,h,0,Dcpu=10:20
9,h,10000,+w=2,Bcc=2998
9,h,5000,-w=2
9,h,5000,Bt=251
9,h,10000,Bl=89,Bcc=2996
9,h,10000,Bcc=2995
9,h,1000,Bs=c,Bp=u,Bv=4300,Bcc=2996
9,h,500:SHUTDOWN
9,0,l,bt,0,1,2
"""
READABLE = """Battery History (1% used, 2KB used of 4096KB, 9 strings using 700):
                    0 (10) RESET:TIME: 2023-11-14-22-13-20
                    0 (2) 090 status=charging health=good plug=usb temp=250 volt=4200 charge=3000 +r
               +5s000ms (2) 090 status=discharging plug=none volt=4000
              +15s000ms (2) 090 charge=2999 wake_reason=0:"not charge=7 or status=full"
                 Details: cpu=10u+20s (1000=10u+20s)
              +25s000ms (2) 090 charge=2998 top=u0a1:"an app"
              +30s000ms (2) 090 -wake_lock
              +35s000ms (2) 090 temp=251
              +45s000ms (2) 089 charge=2996
              +55s000ms (2) 089 charge=2995
              +56s000ms (2) 089 status=charging plug=usb volt=4300 charge=2996
              +56s500ms (1) SHUTDOWN

Per-PID Stats:
"""


def read(text):
    return FORMAT.read("log", text, Declared())


@pytest.mark.parametrize("text", [CHECKIN, READABLE])
def test_power_and_energy_by_hand(text):
    # steps at 15, 25, 45 and 55 s; 1 mAh = 3.6 C, at 4 V 14.4 J: 1, 2 and 1 of them
    log = read(text)
    assert energy_table(log).energy_j.iloc[-1] == pytest.approx(4 * 14.4, rel=1e-9)
    assert log.watts["battery"].tolist() == pytest.approx([1.44] * len(log.watts))
    assert log.duration_s == 40
    assert log.total == ("battery",)
    assert "10 s after the first reading" in log.notes[0]
    zone = "Z" if text is CHECKIN else ""
    assert log.start == pd.Timestamp(f"2023-11-14T22:13:35{zone}")


def test_a_later_date_corrects_the_first():
    log = read(CHECKIN.replace("9,h,500:SHUTDOWN", "9,h,0:TIME:1800000056000"))
    assert log.start == pd.Timestamp("2027-01-15T08:00:15Z")


def test_a_history_without_a_date():
    assert read(CHECKIN.replace("9,h,0:RESET:TIME:1700000000000\n", "")).start is None


def test_days_and_hours():
    text = READABLE.replace("+5s000ms", "+1d02h00m05s000ms")
    for second in (15, 25, 30, 35, 45, 55):
        text = text.replace(f"+{second}s000ms", f"+1d02h00m{second}s000ms")
    text = text.replace("+56s", "+1d02h00m56s")
    assert read(text).duration_s == pytest.approx(40)
    assert read(text).start == pd.Timestamp("2023-11-16T00:13:35")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Bs=d,Bp=n,", "", "at no time was nothing plugged in"),
        ("5000,-w=2", "5000,Bp=w\n9,h,9,Bp=n", "charged in between: 2 stretches"),
        (",Bcc=3000", "", "until there no charge"),
        (",Bv=4200", "", "until there no volt"),
        (",Bp=u,Bt", ",Bt", "until there no plug"),
        (",Bcc=2999", ",Bcc=2999.5", "charge is no number"),
        ("Bcc=2999", "Bcc=3001", "the charge counter rises"),
        (",Bcc=2998", "", "makes 3 steps"),
        ("Bv=4000", "Bv=4", "would be 0.004 V"),
        ("9,h,0,Dcpu", "9,h,0:START\n9,h,0,Dcpu", "line 7: START within the history"),
        ("9,h,0,Dcpu", "9,h,0:*OVERFLOW*\n9,h,0,Dcpu", r"OVERFLOW\* within the history"),
        ("9,h,0,Dcpu", "9,h,0:RESET:TIME:1\n9,h,0,Dcpu", "RESET:TIME within the history"),
        ("9,h,0,Dcpu", "9,h,0:STOP\n9,h,0,Dcpu", "STOP is no command"),
        ("9,h,0,Dcpu", "9,h,-1,Dcpu", "line 7 is no line of a checkin"),
    ],
)
def test_what_is_refused(old, new, reason):
    with pytest.raises(LogError, match=reason):
        read(CHECKIN.replace(old, new))


def test_what_is_refused_of_the_readable_form():
    with pytest.raises(LogError, match="is no date"):
        read(READABLE.replace("2023-11-14", "2023-13-14"))
    with pytest.raises(LogError, match="no history"):
        read("Battery History (0% used):\n")
    with pytest.raises(LogError, match="format 2, with dates that lack the year"):
        read("Battery History [Format: 2] (1% used):\n  07-23 12:08:29.838 093 volt=4303")


def test_recognised():
    assert FORMAT.recognises(CHECKIN)
    assert FORMAT.recognises(READABLE)
    assert not FORMAT.recognises("9,h\nHistory")


TOKENS = (
    "9,h,",
    "9,h,0:",
    ",Bs=d",
    ",Bp=n",
    ",Bv=4000",
    ",Bcc=",
    "RESET:TIME:",
    "START",
    "+1s000ms",
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS, "\n9,h,1000,Bs=d,Bp=n,Bv=4000,Bcc=9", " (2) 090 charge=", " volt=4000"))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(CHECKIN, *TOKENS))
def test_any_change_of_a_checkin(text):
    read_or_refuse(FORMAT, text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(READABLE, " charge=", " volt=4000", "+1s000ms", "TIME: 2023-", '"'))
def test_any_change_of_the_readable_form(text):
    read_or_refuse(FORMAT, text, Declared())
