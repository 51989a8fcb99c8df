from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stadtgrund.catalog import flurstueck, house_number, keys
from stadtgrund.catalog.contract import Text
from stadtgrund.catalog.flurstueck import Flurstueck
from stadtgrund.catalog.house_number import HouseNumber
from stadtgrund.catalog.keys import Entry, KeyRegister, Registers

CITY = Registers(ags="07312000")

# The first of each pair is dirt as offices and spreadsheets write it, the second the key.
RIGHT: dict[str, list[tuple[object, str | None]]] = {
    "ags": [
        ("07319000", "07319000"),
        ("7319000", "07319000"),
        (7319000, "07319000"),
        (7319000.0, "07319000"),
        ("7319000.0", "07319000"),
        ("7319000,0", "07319000"),
        (" 07319000 ", "07319000"),
        ("07 3 19 000", "07319000"),
        ("07\u00a0319000", "07319000"),
        ("\ufeff07319000", "07319000"),
        ("07319\u200b000", "07319000"),
        ("11000000", "11000000"),
        (11000000, "11000000"),
        ("01001000", "01001000"),
        ("1001000", "01001000"),
        ("16077000", "16077000"),
        ("09162000", "09162000"),
        (9162000, "09162000"),
        ("05315000", "05315000"),
        ("5315000", "05315000"),
        ("02000000", "02000000"),
        (2000000, "02000000"),
        ("04011000", "04011000"),
        ("14713000", "14713000"),
        ("07312000\n", "07312000"),
        ("\t07312000", "07312000"),
        ("07319000.00", "07319000"),
        (None, None),
        ("", None),
        ("   ", None),
        (float("nan"), None),
        ("\u00a0", None),
    ],
    "ars": [
        ("073190000000", "073190000000"),
        (73190000000, "073190000000"),
        ("73190000000", "073190000000"),
        (73190000000.0, "073190000000"),
        ("110000000000", "110000000000"),
        ("07 3 19 0000 000", "073190000000"),
        ("053150000000", "053150000000"),
        ("53150000000.0", "053150000000"),
        (" 091620000000", "091620000000"),
        ("010515163003", "010515163003"),
        ("10515163003", "010515163003"),
        ("160770000000", "160770000000"),
        ("020000000000", "020000000000"),
        ("073\u00a0190000000", "073190000000"),
        ("071375001001", "071375001001"),
        (71375001001, "071375001001"),
        ("147130000000", "147130000000"),
        ("130765656108", "130765656108"),
        ("\ufeff110000000000", "110000000000"),
        ("040110000000", "040110000000"),
        ("40110000000", "040110000000"),
        ("031515401002", "031515401002"),
        ("061120004004", "061120004004"),
        ("081115001001", "081115001001"),
        ("100415518512", "100415518512"),
        ("120600020020", "120600020020"),
        ("150010000000", "150010000000"),
        (None, None),
        ("", None),
        (float("nan"), None),
    ],
    "strassenschluessel": [
        ("01234", "01234"),
        ("1234", "01234"),
        (1234, "01234"),
        (1234.0, "01234"),
        ("1234.0", "01234"),
        ("1", "00001"),
        ("00001", "00001"),
        ("A1234", "A1234"),
        ("a1234", "A1234"),
        ("12B34", "12B34"),
        ("99999", "99999"),
        (" 04711 ", "04711"),
        ("04 711", "04711"),
        ("4711,0", "04711"),
        (4711, "04711"),
        ("\u00a04711", "04711"),
        ("0A1B2", "0A1B2"),
        ("00010", "00010"),
        (10, "00010"),
        ("ABCDE", "ABCDE"),
        ("abcde", "ABCDE"),
        ("12345", "12345"),
        (12345, "12345"),
        ("\ufeff12345", "12345"),
        ("5", "00005"),
        ("100", "00100"),
        (100.0, "00100"),
        (None, None),
        ("", None),
        ("  ", None),
    ],
    "flurstueck": [
        ("152450008007460284__", "152450008007460284__"),
        ("152450008007460284", "152450008007460284__"),
        ("140310___00123______", "140310___00123______"),
        ("140310___00123", "140310___00123______"),
        ("15 2450 008 00746 0284 __", "152450008007460284__"),
        ("152450-8-746/284", "152450008007460284__"),
        ("15 2450-8-746/284", "152450008007460284__"),
        ("15-2450-8-746/284", "152450008007460284__"),
        ("2450-8-746/284", "072450008007460284__"),
        ("2450-008-00746/0284", "072450008007460284__"),
        ("2450-8-746", "07245000800746______"),
        ("2450 8 746/284", "072450008007460284__"),
        ("2450, 8, 746/284", "072450008007460284__"),
        ("2450; 8; 746", "07245000800746______"),
        ("2450-Flur 8-746/284", "072450008007460284__"),
        ("2450 Flur 8 Flurstück 746/284", "072450008007460284__"),
        ("2450-8-746/284-1", "07245000800746028401"),
        ("2450-8-746/284.2", "07245000800746028402"),
        ("2450--123", "072450___00123______"),
        ("2450-123/4", "072450___001230004__"),
        ("2450-123", "072450___00123______"),
        ("15245000800746028401", "15245000800746028401"),
        ("15245000800746000000", "15245000800746______"),
        ("15245000000746______", "152450___00746______"),
        (" 152450008007460284__ ", "152450008007460284__"),
        ("152450008007460284_ _", "152450008007460284__"),
        ("07\u00a02450-8-746/284", "072450008007460284__"),
        ("2450 - 8 - 746 / 284", "072450008007460284__"),
        ("053150-12-1", "05315001200001______"),
        ("2450-___-12", "072450___00012______"),
        (None, None),
        ("", None),
    ],
    "plz": [
        ("67655", "67655"),
        (67655, "67655"),
        (67655.0, "67655"),
        ("67655.0", "67655"),
        ("1067", "01067"),
        (1067, "01067"),
        (1067.0, "01067"),
        ("01067", "01067"),
        ("D-67655", "67655"),
        ("DE-67655", "67655"),
        ("D 67655", "67655"),
        ("D67655", "67655"),
        (" 67655 ", "67655"),
        ("67 655", "67655"),
        ("67\u00a0655", "67655"),
        ("10115", "10115"),
        ("99998", "99998"),
        ("01001", "01001"),
        ("1001", "01001"),
        ("04103", "04103"),
        (4103, "04103"),
        ("09111", "09111"),
        ("80331", "80331"),
        ("\ufeff80331", "80331"),
        ("1067,0", "01067"),
        ("DE 01067", "01067"),
        ("D-1067", "01067"),
        (None, None),
        ("", None),
        (float("nan"), None),
    ],
    "hausnummer": [
        ("12", "12"),
        (12, "12"),
        (12.0, "12"),
        ("12.0", "12"),
        ("12,0", "12"),
        ("012", "12"),
        ("12a", "12a"),
        ("12 a", "12a"),
        ("12A", "12a"),
        ("12 A", "12a"),
        ("012A", "12a"),
        ("12/1", "12/1"),
        ("12 /1", "12/1"),
        ("12-14", "12-14"),
        ("12–14", "12-14"),
        ("12 - 14", "12-14"),
        ("12 bis 14", "12-14"),
        ("12a-12c", "12a-12c"),
        ("12a-c", "12a-12c"),
        ("12 a - c", "12a-12c"),
        ("12+14", "12+14"),
        ("12 + 14", "12+14"),
        ("12 und 14", "12+14"),
        ("12 u. 14", "12+14"),
        ("12 & 14", "12+14"),
        ("12 1/2", "12 1/2"),
        ("12 1/2-14", "12 1/2-14"),
        ("Nr. 12", "12"),
        ("Nr 12a", "12a"),
        ("Hausnr. 12", "12"),
        ("Hausnummer 12", "12"),
        ("12 HH", "12 HH"),
        ("12a hh", "12a HH"),
        ("12 Hinterhaus", "12 HH"),
        ("12 VH", "12 VH"),
        ("12a1", "12a1"),
        ("0", None),
        (0, None),
        ("ohne", None),
        ("o. Nr.", None),
        ("-", None),
        (None, None),
        ("", None),
        ("1-3", "1-3"),
        ("1a - 3b", "1a-3b"),
        ("  12  a ", "12a"),
    ],
}

WRONG: dict[str, list[tuple[object, str]]] = {
    "ags": [
        ("7.319E6", "Stellen sind verloren"),
        ("7.319e+06", "Stellen sind verloren"),
        ("07319", "Kreisschlüssel"),
        ("073190000000", "ist ein ARS"),
        ("17000000", "kein Land"),
        ("00000000", "kein Land"),
        ("99999999", "kein Land"),
        ("0731900", "kein Land"),
        ("073190000", "9 Ziffern"),
        ("Worms", "nur Ziffern"),
        ("07319-000", "nur Ziffern"),
        ("0731900O", "nur Ziffern"),
        ("١٢٣٤٥٦٧٨", "nur Ziffern"),
        ("123456", "6 Ziffern"),
        ("1", "1 Ziffern"),
        ("07319000.5", "nur Ziffern"),
        (True, "Wahrheitswert"),
        ("k. A.", "nur Ziffern"),
        ("DE07319000", "nur Ziffern"),
    ],
    "ars": [
        ("07319000", "ist ein AGS"),
        (7319000, "7 Ziffern"),
        ("7.319E10", "Stellen sind verloren"),
        ("170000000000", "kein Land"),
        ("000000000000", "kein Land"),
        ("07319000000", "kein Land"),
        ("0731900000001", "13 Ziffern"),
        ("0731900000", "10 Ziffern"),
        ("Worms", "nur Ziffern"),
        ("07319-0000-000", "nur Ziffern"),
        ("073190000OOO", "nur Ziffern"),
        ("1", "1 Ziffern"),
        ("999999999999", "kein Land"),
        ("07 319", "5 Ziffern"),
        (False, "Wahrheitswert"),
        ("073190000000.5", "nur Ziffern"),
        ("k. A.", "nur Ziffern"),
        ("-73190000000", "nur Ziffern"),
        ("٠٧٣١٩٠٠٠٠٠٠٠", "nur Ziffern"),
        ("AB3190000000", "nur Ziffern"),
    ],
    "strassenschluessel": [
        ("123456", "6 Zeichen"),
        (123456, "6 Zeichen"),
        ("00000", "nur Nullen"),
        ("0", "nur Nullen"),
        (0, "nur Nullen"),
        ("A12", "3 Zeichen"),
        ("12-34", "nur Ziffern und Buchstaben"),
        ("12/34", "nur Ziffern und Buchstaben"),
        ("Ä1234", "nur Ziffern und Buchstaben"),
        ("Hauptstraße", "nur Ziffern und Buchstaben"),
        ("1.2E4", "Stellen sind verloren"),
        ("12.5", "nur Ziffern und Buchstaben"),
        (True, "Wahrheitswert"),
        ("ABCDEF", "6 Zeichen"),
        ("0731204711", "10 Zeichen"),
        ("A", "1 Zeichen"),
        ("_1234", "nur Ziffern und Buchstaben"),
        ("k. A.", "nur Ziffern und Buchstaben"),
        ("ß1234", "nur Ziffern und Buchstaben"),
        ("000000", "6 Zeichen"),
        ("-1", "nur Ziffern und Buchstaben"),
    ],
    "flurstueck": [
        ("123/4", "nur Zähler und Nenner"),
        ("746", "nur Zähler und Nenner"),
        ("Altstadt 746/284", "Gemarkung mit Namen"),
        ("Gemarkung Altstadt, Flur 8, 746/284", "Gemarkung mit Namen"),
        ("152450008007460284___", "kein Flurstückskennzeichen"),
        ("1524500080074602", "16 Zeichen"),
        ("172450008007460284__", "17 ist kein Land"),
        ("002450008007460284__", "00 ist kein Land"),
        ("15245000800000______", "Zähler ist 0"),
        ("2450-8-0", "Zähler ist 0"),
        ("15_450008007460284__", "falscher Folge"),
        ("152450_08007460284__", "falscher Folge"),
        ("______00800746______", "falscher Folge"),
        ("245-8-746", "kein Flurstückskennzeichen"),
        ("2450-8-746/284/1", "kein Flurstückskennzeichen"),
        ("2450-8000-746", "kein Flurstückskennzeichen"),
        ("x", "kein Flurstückskennzeichen"),
        ("2450-8-746/", "kein Flurstückskennzeichen"),
        ("2450-8/", "kein Flurstückskennzeichen"),
        (True, "Wahrheitswert"),
        ("152450008007460284_1", "falscher Folge"),
    ],
    "plz": [
        ("676555", "6 Ziffern"),
        ("676", "3 Ziffern"),
        ("00000", "keine Postleitzahl"),
        ("00999", "keine Postleitzahl"),
        ("99999", "keine Postleitzahl"),
        ("A-1010", "nur Ziffern"),
        ("CH-8001", "nur Ziffern"),
        ("6765O", "nur Ziffern"),
        ("67.655", "nur Ziffern"),
        ("Kaiserslautern", "nur Ziffern"),
        ("6.7655E4", "Stellen sind verloren"),
        (True, "Wahrheitswert"),
        ("67655 Kaiserslautern", "nur Ziffern"),
        ("-67655", "nur Ziffern"),
        ("67 6", "3 Ziffern"),
        ("12", "2 Ziffern"),
        ("k. A.", "nur Ziffern"),
        (0, "1 Ziffern"),
        ("٦٧٦٥٥", "nur Ziffern"),
        ("67655-1", "nur Ziffern"),
        ("1000", "keine Postleitzahl"),
    ],
    "hausnummer": [
        ("12. Dez", "ist ein Datum"),
        ("12.Dez", "ist ein Datum"),
        ("Dez 12", "ist ein Datum"),
        ("14. Mrz", "ist ein Datum"),
        ("2012-12-14", "ist ein Datum"),
        ("2012-12-14 00:00:00", "ist ein Datum"),
        ("12.12.2014", "ist ein Datum"),
        ("12.14.", "ist ein Datum"),
        ("Haus 3", "keine Hausnummer"),
        ("gegenüber 5", "keine Hausnummer"),
        ("12-", "fehlt die zweite"),
        ("14-12", "nicht größer"),
        ("12-12", "nicht größer"),
        ("12c-a", "nicht größer"),
        ("a", "keine Hausnummer"),
        ("12aa", "keine Hausnummer"),
        ("12345", "keine Hausnummer"),
        ("-12", "keine Hausnummer"),
        ("12 ½", "keine Hausnummer"),
        ("000", "die Nummer ist 0"),
        ("12;14", "keine Hausnummer"),
        ("12.5", "keine Hausnummer"),
        (True, "Wahrheitswert"),
    ],
}


@pytest.mark.parametrize(("kind", "value", "expected"), [(kind, *case) for kind, cases in RIGHT.items() for case in cases])
def test_dirt_is_repaired(kind: str, value: object, expected: str | None) -> None:
    assert keys.normalise(kind, value, CITY) == expected


@pytest.mark.parametrize(("kind", "value", "sentence"), [(kind, *case) for kind, cases in WRONG.items() for case in cases])
def test_what_could_mean_two_things_is_refused(kind: str, value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match="„") as caught:
        keys.normalise(kind, value, CITY)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith((".", ")"))


@pytest.mark.parametrize("kind", RIGHT)
def test_each_key_has_fifty_cases_and_its_right_form_stays(kind: str) -> None:
    assert len(RIGHT[kind]) + len(WRONG[kind]) >= 50
    for _, expected in RIGHT[kind]:
        assert keys.normalise(kind, expected, CITY) == expected


def test_a_parcel_without_land_needs_the_city() -> None:
    with pytest.raises(ValueError, match="hat kein Land, und die Stadt hat keinen AGS"):
        keys.normalise("flurstueck", "2450-8-746/284")


def test_ags_of_ars() -> None:
    assert keys.ags_of("073190000000") == "07319000"


numbers = st.builds(
    Flurstueck,
    land=st.integers(1, 16),
    gemarkung=st.integers(0, 9999),
    flur=st.integers(0, 999),
    zaehler=st.integers(1, 99999),
    nenner=st.integers(0, 9999),
    folge=st.integers(0, 99),
)


@settings(deadline=None)
@given(numbers)
def test_parcels_come_back_from_both_spellings(parcel: Flurstueck) -> None:
    assert len(str(parcel)) == 20
    assert flurstueck.parse(str(parcel)) == parcel
    assert flurstueck.parse(parcel.written()) == parcel
    assert flurstueck.parse(str(parcel).rstrip("_").ljust(14, "_")) == parcel or (parcel.folge == 0 and parcel.nenner % 10 == 0)


suffixes = st.one_of(
    st.just(""),
    st.from_regex(r"[a-z]([1-9][0-9]?)?", fullmatch=True),
    st.sampled_from(["1/2", "3/4"]),
    st.from_regex(r"/[1-9][0-9]?", fullmatch=True),
)
singles = st.builds(HouseNumber, st.integers(1, 9999), suffixes, part=st.sampled_from(["", "HH", "VH"]))
ranges = st.builds(
    lambda first, more, joiner, suffix, to_suffix: HouseNumber(first, suffix, joiner, first + more, to_suffix),
    st.integers(1, 4000),
    st.integers(1, 900),
    st.sampled_from(["-", "+"]),
    suffixes,
    suffixes,
)


@settings(deadline=None)
@given(st.one_of(singles, ranges))
def test_house_numbers_come_back(number: HouseNumber) -> None:
    assert house_number.parse(str(number)) == number
    assert house_number.normalise(str(number)) == str(number)


@settings(deadline=None)
@given(st.text(max_size=30), st.sampled_from(sorted(keys.KINDS)))
def test_any_text_is_normalised_once_and_for_all_or_refused_with_a_sentence(text: str, kind: str) -> None:
    try:
        key = keys.normalise(kind, text, CITY)
    except ValueError as error:
        assert "„" in str(error)
    else:
        assert keys.normalise(kind, key, CITY) == key


def test_house_numbers_sort_as_people_walk() -> None:
    walked = ["2", "2a", "2b", "10", "10a-12", "100"]
    assert sorted(walked, key=lambda text: house_number.parse(text) or HouseNumber(0)) == walked


REGISTER = KeyRegister(
    name="ortsteil",
    title=Text(de="Ortsteil"),
    width=4,
    pattern="[0-9]{4}",
    values=(
        Entry(key="0101", title="Altstadt", valid_to=date(2019, 12, 31)),
        Entry(key="0101", title="Mitte", valid_from=date(2020, 1, 1)),
        Entry(key="0102", title="Nord"),
    ),
)
OWN = Registers(registers={"ortsteil": REGISTER})


@pytest.mark.parametrize(
    ("value", "expected"), [("0101", "0101"), (101, "0101"), ("101.0", "0101"), (" 102 ", "0102"), (None, None), ("", None)]
)
def test_a_register_pads_and_knows_its_keys(value: object, expected: str | None) -> None:
    assert keys.normalise("ortsteil", value, OWN) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0103", "„0103“ steht nicht im Register Ortsteil (3 Schlüssel)."),
        ("01011", "„01011“ hat 5 Zeichen; Ortsteil hat 4."),
        ("01A1", "„01A1“ hat nicht die Form von Ortsteil ([0-9]{4})."),
        ("1.01E2", "„1.01E2“ ist eine gerundete Zahl aus einer Tabelle; Stellen sind verloren. Spalte als Text ausgeben."),
    ],
)
def test_a_register_says_what_does_not_fit(value: str, message: str) -> None:
    with pytest.raises(ValueError, match="„") as caught:
        keys.normalise("ortsteil", value, OWN)
    assert str(caught.value) == message


def test_a_key_can_be_asked_for_a_day() -> None:
    later = KeyRegister(name="x", title=Text(de="Ortsteil"), values=(Entry(key="9", valid_from=date(2020, 1, 1)),))
    assert later.normalise("9", date(2020, 1, 1)) == "9"
    with pytest.raises(ValueError, match=r"„9“ gilt am 31\.12\.2019 nicht"):
        later.normalise("9", date(2019, 12, 31))


def test_unknown_key_types_are_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError):
        keys.normalise("gibtsnicht", "1")
    assert list(keys.known(OWN)) == [*keys.KINDS, "ortsteil"]
