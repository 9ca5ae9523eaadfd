"""Answers to surveys from a file, one a row: who, which question, what they said, when.

An answer is known by its customer, question and time: the same file again finds nothing new. Questions and surveys that
nobody has named before are made, as stores are by receipts.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import consents, profiles
from crm.importing import cells
from crm.importing.cells import BadCell, Parser, escaped, plain, remembered, text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import DROP_REFUSED, copy_computed, mark_selected
from crm.surveys import LONGEST, key_of

SURVEY = "import"
"""The survey of answers whose file names none."""

_KEYS = "CREATE TEMP TABLE import_keys (written text, slug text) ON COMMIT DROP"
_WRITTEN = "SELECT DISTINCT question FROM import_row UNION SELECT DISTINCT survey FROM import_row WHERE survey <> ''"
_TARGET = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, coalesce(customer.merged_into_id, customer.id) AS id, customer.number,
           customer.id IS NULL OR customer.erased_at IS NOT NULL AS is_nobody, question.slug AS question_key,
           new.question, coalesce(survey.slug, %(survey)s) AS survey_key,
           coalesce(nullif(new.survey, ''), %(survey_title)s) AS survey,
           new.answer, coalesce(new.answered_at, %(now)s) AS answered_at, new.answered_at IS NOT NULL AS is_dated,
           false AS is_new
      FROM import_row AS new
      LEFT JOIN crm_customer AS customer ON customer.number = new.customer_id
      LEFT JOIN import_keys AS question ON question.written = new.question
      LEFT JOIN import_keys AS survey ON survey.written = nullif(new.survey, '')
"""
_REFUSE = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, number, CASE WHEN is_nobody THEN %(stranger)s ELSE %(no_question)s END
      FROM import_target WHERE is_nobody OR coalesce(question_key, '') = ''
"""
_DROP_TARGETS = "DELETE FROM import_target AS target USING import_problem AS problem WHERE problem.row = target.row"
_QUESTIONS = """
    INSERT INTO crm_question (slug, text, privacy)
    SELECT question_key, (array_agg(question ORDER BY row))[1], 'ordinary' FROM import_target AS target
     WHERE NOT EXISTS (SELECT FROM crm_question WHERE slug = target.question_key)
     GROUP BY question_key ORDER BY question_key
"""
_SURVEYS = """
    INSERT INTO crm_survey (slug, title, is_active)
    SELECT survey_key, (array_agg(survey ORDER BY row))[1], false FROM import_target AS target
     WHERE NOT EXISTS (SELECT FROM crm_survey WHERE slug = target.survey_key)
     GROUP BY survey_key ORDER BY survey_key
"""
# Undated, an answer is new where it is not what the customer said last; dated, where nothing was said at that time.
_DECIDE = """
    UPDATE import_target AS target SET is_new = true
      FROM crm_question AS question
     WHERE question.slug = target.question_key
       AND CASE WHEN target.is_dated
                THEN NOT EXISTS (SELECT FROM crm_answer AS known
                                  WHERE known.customer_id = target.id AND known.question_id = question.id
                                    AND known.answered_at = target.answered_at AND known.value = target.answer)
                ELSE target.answer IS DISTINCT FROM (SELECT known.value FROM crm_answer AS known
                                                      WHERE known.customer_id = target.id
                                                        AND known.question_id = question.id
                                                      ORDER BY known.answered_at DESC, known.id DESC LIMIT 1)
           END
"""
_ONCE = """
    UPDATE import_target AS target SET is_new = false
      FROM import_target AS first
     WHERE target.is_new AND first.is_new AND first.id = target.id AND first.question_key = target.question_key
       AND first.answer = target.answer AND first.answered_at = target.answered_at AND first.row < target.row
"""
_SHOW = """
    SELECT row, jsonb_build_object('customer_id', number, 'question', question_key, 'answer', answer,
                                   'answered_at', answered_at, 'survey', survey)
      FROM import_target WHERE is_new ORDER BY row
"""
_WRITE = """
    INSERT INTO crm_answer (survey_id, customer_id, question_id, value, answered_at)
    SELECT survey.id, target.id, question.id, target.answer, target.answered_at
      FROM import_target AS target
      JOIN crm_question AS question ON question.slug = target.question_key
      JOIN crm_survey AS survey ON survey.slug = target.survey_key
     WHERE target.is_new ORDER BY target.row
"""
_CHANGED = "SELECT DISTINCT id FROM import_target WHERE is_new"
_COUNT = """
    SELECT (SELECT count(*) FROM import_target WHERE is_new), (SELECT count(*) FROM import_target WHERE NOT is_new),
           (SELECT count(*) FROM import_problem)
"""


class AnswerImporter(Importer):
    """``created`` counts answers that were new."""

    kind = "answers"

    def make_columns(self) -> tuple[Column, ...]:
        return (*_who(), *self._what())

    def _what(self) -> tuple[Column, ...]:
        return (
            Column(
                "answered_at",
                cells.moment(self.zone, self.now, consents.MAX_AHEAD),
                "timestamptz",
                holds="time",
                label=gettext_lazy("when"),
                synonyms="date; timestamp; submitted at; completed at; answered on; response date; datum; zeitpunkt; "
                "дата; дата ответа; data; data risposta; päivämäärä; vastattu; dagsetning; svarað",
            ),
            Column(
                "survey",
                text(200),
                label=gettext_lazy("survey"),
                synonyms="survey name; form; questionnaire; poll; umfrage; fragebogen; опрос; анкета; sondaggio; "
                "questionario; kysely; könnun",
            ),
        )

    def params(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "survey": SURVEY,
            "survey_title": _("Imported answers"),
            "stranger": _("customer_id: no customer has this number."),
            "no_question": _("question: has neither letters nor digits."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        cursor.execute(_KEYS)
        copy_computed(cursor, _WRITTEN, into="import_keys", compute=lambda written: (written, key_of(written)))
        for statement in (_TARGET, _REFUSE, _DROP_TARGETS, DROP_REFUSED):
            cursor.execute(statement, params)
        profiles.lock_selected(query="SELECT DISTINCT id FROM import_target")
        for statement in (_QUESTIONS, _SURVEYS, "ANALYZE import_target", _DECIDE, _ONCE):
            cursor.execute(statement, params)
        self.show(cursor, _SHOW)
        cursor.execute(_WRITE)
        mark_selected(cursor, _CHANGED)
        cursor.execute(_COUNT)
        created, unchanged, refused = cursor.fetchone()
        return Counts(created=created, unchanged=unchanged, refused=refused)


def _who() -> tuple[Column, ...]:
    return (
        Column(
            "customer_id",
            text(100, required=True),
            required=True,
            label=gettext_lazy("customer number"),
            synonyms="customer; customer no; client id; member id; respondent; respondent id; kundennummer; kunde; "
            "номер клиента; код клиента; codice cliente; numero cliente; asiakasnumero; viðskiptamannanúmer",
        ),
        Column(
            "question",
            text(500, required=True),
            required=True,
            label=gettext_lazy("question"),
            synonyms="question id; question key; question text; item; frage; вопрос; domanda; kysymys; spurning",
        ),
        Column(
            "answer",
            _answer(),
            required=True,
            label=gettext_lazy("answer"),
            synonyms="response; reply; value; choice; antwort; ответ; risposta; vastaus; svar",
        ),
    )


def _answer() -> Parser:
    @remembered
    def parse(cell: str) -> str:
        if not (value := plain(cell)):
            raise BadCell(_("is missing."))
        if len(value) > LONGEST:
            raise BadCell(_("is longer than %(limit)d characters.") % {"limit": LONGEST})
        return escaped(value)

    return parse
