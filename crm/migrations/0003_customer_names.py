"""The words under which customers are found follow their names by themselves, whoever writes the names.

The triggers take a statement's rows together, so an import costs a few large statements. A word leaves with the last
live customer who bears it: so nothing of an erased name is left behind. Whoever needs a word that is there already
locks it against leaving; whoever takes one away looks again once it holds the word, and leaves it where it is held.
"""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

SOUND = r"""
CREATE FUNCTION crm_name_sound(word text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    -- How a word sounds, whichever language wrote it in Latin letters: Chaikovskiy and Tschaikowski, Yulia and Julia.
    SELECT regexp_replace(
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
            word, 'tsch', 'c'), 'tch', 'c'), 'sch', 's'), 'ch', 'c'), 'sh', 's'), 'zh', 'z'), 'kh', 'h'), 'ph', 'f'),
            'th', 't'), 'ck', 'k'), 'ae', 'a'), 'oe', 'o'), 'ue', 'u'), 'x', 'ks'), 'q', 'k'), 'w', 'v'), 'c', 'k'),
            'y', 'i'), 'j', 'i'), 'ie', 'e'), 'z', 's'),
        '(.)\1+', '\1', 'g')
$$
"""

# Neither STRICT nor with a DISTINCT: so it is read into the query that calls it, which is six times as fast.
KEYS = """
CREATE FUNCTION crm_name_keys(name_words text) RETURNS SETOF text LANGUAGE sql IMMUTABLE ROWS 3 AS $$
    SELECT rtrim(left(array_to_string(words[n:] || words[:n - 1], ' '), 120))
      FROM string_to_array(name_words, ' ') AS words, generate_subscripts(words, 1) AS n
$$
"""

ADD_WORDS = """
CREATE FUNCTION crm_add_name_words(words text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE held bigint;
BEGIN
    LOOP
        INSERT INTO crm_nameword (word)
        SELECT new FROM unnest(words) AS new WHERE NOT EXISTS (SELECT FROM crm_nameword WHERE word = new)
         ORDER BY new COLLATE "C" ON CONFLICT DO NOTHING;
        SELECT count(*) INTO held
          FROM (SELECT FROM crm_nameword WHERE word = ANY(words) ORDER BY word FOR KEY SHARE) AS locked;
        EXIT WHEN held = cardinality(words);  -- else one was taken away meanwhile
    END LOOP;
END $$
"""

# A word's keys are the word itself and those where a blank comes next: all below "word!".
DROP_WORDS = """
CREATE FUNCTION crm_drop_name_words(words text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE held text[];
BEGIN
    held := array(
        SELECT word FROM crm_nameword AS known
         WHERE word = ANY(words)
           AND NOT EXISTS (SELECT FROM crm_customername WHERE key >= known.word AND key < known.word || '!')
         ORDER BY word FOR UPDATE SKIP LOCKED);
    DELETE FROM crm_nameword AS known
     WHERE word = ANY(held)
       AND NOT EXISTS (SELECT FROM crm_customername WHERE key >= known.word AND key < known.word || '!');
END $$
"""

ADDED = """
CREATE FUNCTION crm_customers_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm_customername (key, customer_id)
    SELECT key, id FROM added, crm_name_keys(name_words) AS key
     WHERE name_words <> '' AND merged_into_id IS NULL AND erased_at IS NULL
     ORDER BY key COLLATE "C", id ON CONFLICT DO NOTHING;
    PERFORM crm_add_name_words(array(
        SELECT DISTINCT word FROM added, unnest(string_to_array(name_words, ' ')) AS word
         WHERE name_words <> '' AND merged_into_id IS NULL AND erased_at IS NULL));
    RETURN NULL;
END $$
"""

REMOVED = """
CREATE FUNCTION crm_customers_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM crm_customername AS known USING removed, crm_name_keys(name_words) AS key
     WHERE known.key = key.key AND known.customer_id = removed.id;
    PERFORM crm_drop_name_words(array(
        SELECT DISTINCT word FROM removed, unnest(string_to_array(name_words, ' ')) AS word));
    RETURN NULL;
END $$
"""

# Who was renamed is asked by a query that is planned anew each time (EXECUTE): the plan for one row, which a session keeps
# otherwise, compares each row of a large import with every other.
CHANGED = """
CREATE FUNCTION crm_customers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
    old_words text[];
    new_words text[];
BEGIN
    EXECUTE $query$
        SELECT array_agg(id), array_agg(was), array_agg(now)
          FROM before JOIN after USING (id),
               LATERAL (SELECT CASE WHEN before.merged_into_id IS NULL AND before.erased_at IS NULL
                                    THEN before.name_words ELSE '' END AS was,
                               CASE WHEN after.merged_into_id IS NULL AND after.erased_at IS NULL
                                    THEN after.name_words ELSE '' END AS now) AS name
         WHERE was <> now
    $query$ INTO ids, old_words, new_words;
    IF ids IS NULL THEN
        RETURN NULL;
    END IF;
    DELETE FROM crm_customername AS known
     USING unnest(ids, old_words) AS gone (id, words), crm_name_keys(words) AS key
     WHERE known.key = key.key AND known.customer_id = gone.id;
    INSERT INTO crm_customername (key, customer_id)
    SELECT key, id FROM unnest(ids, new_words) AS new (id, words), crm_name_keys(words) AS key
     ORDER BY key COLLATE "C", id ON CONFLICT DO NOTHING;
    PERFORM crm_add_name_words(array(
        SELECT DISTINCT word FROM unnest(new_words) AS words, unnest(string_to_array(words, ' ')) AS word));
    PERFORM crm_drop_name_words(array(
        SELECT DISTINCT word FROM unnest(old_words) AS words, unnest(string_to_array(words, ' ')) AS word));
    RETURN NULL;
END $$
"""

TRIGGERS = """
CREATE TRIGGER names_of_new_customers AFTER INSERT ON crm_customer REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION crm_customers_added();
CREATE TRIGGER names_of_changed_customers AFTER UPDATE ON crm_customer
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION crm_customers_changed();
CREATE TRIGGER names_of_removed_customers AFTER DELETE ON crm_customer REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION crm_customers_removed();
"""

DROP = """
DROP TRIGGER names_of_new_customers ON crm_customer;
DROP TRIGGER names_of_changed_customers ON crm_customer;
DROP TRIGGER names_of_removed_customers ON crm_customer;
DROP FUNCTION crm_customers_added, crm_customers_changed, crm_customers_removed, crm_add_name_words,
    crm_drop_name_words, crm_name_keys;
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0002_facts_are_never_edited")]

    operations = [
        migrations.RunSQL(SOUND, "DROP FUNCTION crm_name_sound"),
        migrations.CreateModel(
            name="CustomerName",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "key", "customer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.CharField(db_collation="C", max_length=120)),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="crm.customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "name of a customer",
                "verbose_name_plural": "names of customers",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="NameWord",
            fields=[
                ("word", models.CharField(db_collation="C", max_length=50, primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "word of a name",
                "verbose_name_plural": "words of names",
                "default_permissions": (),
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["word"], name="name_word_mistyped", opclasses=["gin_trgm_ops"]
                    ),
                    models.Index(models.Func(models.F("word"), function="crm_name_sound"), name="name_word_sound"),
                ],
            },
        ),
        migrations.RunSQL([KEYS, ADD_WORDS, DROP_WORDS, ADDED, REMOVED, CHANGED, TRIGGERS], DROP),
    ]
