"""The closed questions of the protection check: five grounds, for the dataset and for each field."""

from __future__ import annotations

__all__ = ["QUESTIONS", "Question", "names_of", "questions"]

from collections.abc import Iterable
from dataclasses import dataclass

from stadtgrund.catalog.contract import Ground, Text


@dataclass(frozen=True)
class Question:
    """One ground: its name, the question that is answered with yes or no, and a sentence that explains it."""

    ground: Ground
    name: Text
    question: Text
    explanation: Text


QUESTIONS: tuple[Question, ...] = (
    Question(
        "personal_data",
        Text(de="Personenbezug", en="personal data"),
        Text(
            de="Beziehen sich Angaben auf bestimmte oder bestimmbare Personen?",
            en="Do the data relate to identified or identifiable persons?",
        ),
        Text(
            de=(
                "Dazu zählen Namen, Anschriften und Kontaktdaten, aber auch kleine Fallzahlen oder Orte, "
                "die mit anderem Wissen auf einzelne Menschen schließen lassen."
            ),
            en="Names, addresses and contacts, but also small counts or places that lead to single people together with other knowledge.",
        ),
    ),
    Question(
        "running_decision",
        Text(de="Laufende Abstimmung", en="running decision"),
        Text(
            de="Gehören die Angaben zu einer Abstimmung, die noch läuft?",
            en="Do the data belong to a decision that is still being prepared?",
        ),
        Text(
            de="Entwürfe und Zwischenstände, deren Bekanntwerden die Entscheidung selbst beeinträchtigen würde.",
            en="Drafts and interim results whose publication would harm the decision itself.",
        ),
    ),
    Question(
        "business_secret",
        Text(de="Betriebs- und Geschäftsgeheimnis", en="business secret"),
        Text(de="Enthalten sie Betriebs- oder Geschäftsgeheimnisse?", en="Do they hold business or trade secrets?"),
        Text(
            de="Tatsachen eines Unternehmens, die nicht offenkundig sind und an deren Geheimhaltung es ein berechtigtes Interesse hat.",
            en="Facts of a company that are not commonly known and that it has a legitimate interest in keeping secret.",
        ),
    ),
    Question(
        "security_critical",
        Text(de="Sicherheitskritische Information", en="security critical"),
        Text(
            de="Könnten sie der Sicherheit schaden, etwa bei Leitungen oder anderen kritischen Anlagen?",
            en="Could they harm security, such as for utilities or other critical infrastructure?",
        ),
        Text(
            de="Lage, Aufbau oder Schwachstellen von Anlagen, deren Ausfall oder Angriff viele Menschen trifft.",
            en="Position, structure or weak points of infrastructure whose failure or attack affects many people.",
        ),
    ),
    Question(
        "third_party_rights",
        Text(de="Rechte Dritter", en="third-party rights"),
        Text(
            de="Stehen Urheber-, Nutzungs- oder andere Rechte Dritter entgegen?",
            en="Do copyright, usage or other rights of third parties object?",
        ),
        Text(
            de="Die Daten stammen ganz oder teilweise von anderen, und deren Lizenz oder Vertrag erlaubt die Veröffentlichung nicht.",
            en="The data come from others in whole or in part, and their licence or contract does not allow publication.",
        ),
    ),
)
"""In the order in which they are asked."""


def questions() -> tuple[Question, ...]:
    """Return the closed questions; they are put for the dataset, and again for each field."""
    return QUESTIONS


def names_of(grounds: Iterable[Ground]) -> tuple[str, str]:
    """Return the names of grounds as half a sentence, German and English, in the order of the questions."""
    chosen = set(grounds)
    found = [question.name for question in QUESTIONS if question.ground in chosen]
    return ", ".join(text.de for text in found), ", ".join(text.get("en") for text in found)
