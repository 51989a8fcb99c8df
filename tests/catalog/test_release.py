from __future__ import annotations

from datetime import date

import pytest
from support.catalog_folder import SCHULEN, Folder
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of

from stadtgrund.catalog import access, recipe, registry, release
from stadtgrund.catalog.contract import Contract, Field

OPEN, VERWALTUNG = "open", "verwaltung"


@pytest.fixture
def masten() -> Contract:
    return checked(contract_of(MASTEN))


def changed(contract: Contract, name: str, **update: object) -> Contract:
    """Return the contract with one field changed, its protection as it was."""
    fields = tuple(field.model_copy(update=update) if field.name == name else field for field in contract.fields)
    return contract.model_copy(update={"fields": fields})


def open_fields(contract: Contract) -> tuple[str, ...]:
    form = access.decide(contract, OPEN).form
    assert form is not None
    return form.fields


def test_without_a_check_only_the_administration_sees_it() -> None:
    draft = contract_of(MASTEN)
    assert release.state(draft).name == "entwurf"
    decision = access.decide(draft, OPEN)
    assert decision.form is None
    assert decision.reason.de == "Entwurf: noch keine Schutzprüfung."
    full = access.decide(draft, VERWALTUNG).form
    assert full is not None
    assert (full.name, len(full.fields)) == ("full", 11)


def test_no_ground_makes_it_public_with_no_further_step(masten: Contract) -> None:
    decision = access.decide(masten, OPEN)
    assert release.state(masten).name == "geprueft_offen"
    assert decision.form == access.decide(masten, VERWALTUNG).form
    assert decision.form is not None
    assert decision.form.name == "full"
    assert decision.reason.de == "Öffentlich: Schutzprüfung vom 15.01.2026 ohne Schutzgrund (Prüfstelle)."
    assert decision.reason.get("en") == "Public: protection check of 2026-01-15, no ground for protection (Prüfstelle)."


def test_a_ground_keeps_it_closed_until_a_weighing_is_recorded() -> None:
    closed = checked(contract_of(MASTEN), "security_critical", "personal_data")
    assert release.state(closed).name == "geschlossen"
    assert access.decide(closed, OPEN).form is None
    assert access.decide(closed, OPEN).reason.de == (
        "Nur Verwaltung: Schutzprüfung vom 15.01.2026, Schutzgrund Personenbezug, Sicherheitskritische Information (Prüfstelle)."
    )
    weighed = checked(contract_of(MASTEN), "security_critical", weighing="abwaegung.md")
    assert release.state(weighed).name == "abgewogen_offen"
    assert access.decide(weighed, OPEN).form is not None
    assert access.decide(weighed, OPEN).reason.de.startswith("Öffentlich nach Abwägung: Schutzprüfung vom 15.01.2026")


@pytest.mark.parametrize(
    "update",
    [
        {"location": "${DATA}/andere.gpkg"},
        {"crs": "EPSG:25833"},
        {"where": "leuchtet = 1"},
        {"layer": "masten"},
        {"kind": "table"},
    ],
)
def test_a_changed_source_sets_it_back_to_entwurf(masten: Contract, update: dict[str, str]) -> None:
    other = masten.model_copy(update={"source": masten.source.model_copy(update=update)})
    assert release.state(other).name == "entwurf"
    assert access.decide(other, OPEN).form is None
    assert "hat sich seit der Schutzprüfung vom 15.01.2026 geändert" in access.decide(other, OPEN).reason.de


def test_so_does_another_storage_crs_but_not_another_promise(masten: Contract) -> None:
    assert masten.geometry is not None
    moved = masten.model_copy(update={"geometry": masten.geometry.model_copy(update={"crs": "EPSG:25833"})})
    assert release.state(moved).name == "entwurf"
    promised = masten.model_copy(update={"source": masten.source.model_copy(update={"rhythm": "daily"})})
    assert release.state(promised).name == "geprueft_offen"


@pytest.mark.parametrize(
    "update",
    [
        {"from_": "anders"},
        {"type": "string"},
        {"unit": "cm"},
        {"key": "plz"},
        {"values": {}},
        {"grounds": ("personal_data",)},
    ],
)
def test_a_changed_field_is_not_in_the_open_form(masten: Contract, update: dict[str, object]) -> None:
    other = changed(masten, "hoehe", **update)
    decision = access.decide(other, OPEN)
    assert decision.form is not None
    assert decision.form.name == "open"
    assert "hoehe" not in decision.form.fields
    assert "hoehe" in decision.withheld
    assert "hoehe" not in decision.reason.de, "the reason is public and must not name what is hidden"
    whole = access.decide(other, VERWALTUNG)
    assert whole.form is not None
    assert (whole.form.name, "hoehe" in whole.form.fields) == ("full", True)
    assert "Nicht öffentlich ist: hoehe." in whole.reason.de


def test_texts_are_not_what_is_checked(masten: Contract) -> None:
    other = changed(masten, "hoehe", title=masten.title, description=masten.description, required=True)
    assert open_fields(other) == open_fields(masten)
    assert release.digest_of_field(Field(name="a", type="string")) == release.digest_of_field(Field(name="a", from_="a", type="string"))


def test_a_new_field_stays_out_until_it_is_checked(masten: Contract) -> None:
    new = masten.model_copy(update={"fields": (*masten.fields, Field(name="telefon", type="string"))})
    assert "telefon" not in open_fields(new)
    assert release.withheld(new)["telefon"].de == "Das Feld ist seit der Schutzprüfung neu."
    assert "telefon" in open_fields(checked(new))


def test_a_weighing_opens_fields_with_grounds_too(masten: Contract) -> None:
    with_ground = changed(masten, "name", grounds=("personal_data",))
    assert "name" not in open_fields(checked(with_ground))
    assert "name" in open_fields(checked(with_ground, weighing="abwaegung.md"))


def test_a_hidden_field_does_not_come_out_as_the_id(masten: Contract) -> None:
    hidden = checked(changed(masten, "nummer", grounds=("personal_data",)))
    decision = access.decide(hidden, OPEN)
    assert decision.form is None
    assert decision.reason.de == "Nur Verwaltung: Die Kennung der Objekte besteht aus nummer; das Feld ist nicht freigegeben."
    omitted = checked(contract_of(ZAHLEN, forms={"open": {"omit": ["jahr"]}}))
    assert access.decide(omitted, OPEN).form is None


def test_forms_shape_what_a_profile_gets() -> None:
    contract = checked(
        contract_of(
            GEBIETE,
            forms={
                "open": {"omit": ["ende"], "where": "beginn > DATE('2020-01-01')", "geometry": "centroid"},
                "verwaltung": {"omit": ["beginn"]},
            },
        )
    )
    public, internal = access.decide(contract, OPEN).form, access.decide(contract, VERWALTUNG).form
    assert public == access.FormSpec("open", ("schluessel", "name", "beginn"), "beginn > DATE('2020-01-01')", "centroid")
    assert internal == access.FormSpec("verwaltung", ("schluessel", "name", "ende"))
    assert public is not None and internal is not None
    assert (public.is_view, internal.is_view) == (False, True)


def test_what_changes_nothing_is_the_full_form() -> None:
    point = checked(contract_of(MASTEN, forms={"open": {"geometry": "centroid"}}))
    assert access.decide(point, OPEN).form == access.decide(point, VERWALTUNG).form
    nobody = checked(contract_of(ZAHLEN, forms={"open": {"omit": ["einwohner"], "min_count": {"minimum": 5, "fields": ["einwohner"]}}}))
    form = access.decide(nobody, OPEN).form
    assert form is not None
    assert form.min_count is None


def test_an_unknown_profile_gets_nothing(masten: Contract) -> None:
    assert access.decide(masten, "gast").form is None
    assert access.decide(masten, "").form is None


def test_there_is_a_question_for_each_ground() -> None:
    asked = release.questions()
    assert [question.ground for question in asked] == [
        "personal_data",
        "running_decision",
        "business_secret",
        "security_critical",
        "third_party_rights",
    ]
    for question in asked:
        assert question.question.de.endswith("?")
        assert question.explanation.de.endswith(".")
        assert question.question.en and question.explanation.en and question.name.en


def test_record_digests_what_it_checks() -> None:
    contract = release.record(
        contract_of(MASTEN), checked=date(2026, 3, 1), by="Amt 62", field_grounds={"name": ["personal_data"], "art": []}
    )
    assert contract.field("name").grounds == ("personal_data",)
    assert set(contract.protection.fields) == {field.name for field in contract.fields}
    assert open_fields(contract) == tuple(field.name for field in contract.fields if field.name != "name")
    assert Contract.model_validate(contract.canonical()) == contract


def test_the_recipe_is_what_a_load_depends_on(folder: Folder) -> None:
    deployment = registry.read(folder(schulen=SCHULEN))
    contract = deployment.contract("schulen")
    first = recipe.recipe_of(contract, deployment)
    assert len(first) == 16
    assert recipe.recipe_of(release.record(contract, checked=date(2026, 1, 1), by="x"), deployment) == first
    assert recipe.recipe_of(changed(contract, "name", title=contract.title, unit="m"), deployment) == first
    for other in (
        changed(contract, "name", type="integer"),
        changed(contract, "name", from_="NAME"),
        changed(contract, "name", key="plz"),
        changed(contract, "name", required=True),
        contract.model_copy(update={"sortables": ()}),
        contract.model_copy(update={"source": contract.source.model_copy(update={"encoding": "CP1252"})}),
    ):
        assert recipe.recipe_of(other, deployment) != first


def test_the_recipe_knows_the_key_register_and_the_city(folder: Folder) -> None:
    text = SCHULEN.replace("{name: name, type: string", "{name: name, type: string, key: amt")
    register = "name: amt\ntitle: {de: Amt}\nwidth: %d\n"
    one = registry.read(folder(files={"keys/amt.yml": register % 2}, schulen=text))
    two = registry.read(folder(files={"keys/amt.yml": register % 3}, schulen=text))
    assert recipe.recipe_of(one.contract("schulen"), one) != recipe.recipe_of(two.contract("schulen"), two)
