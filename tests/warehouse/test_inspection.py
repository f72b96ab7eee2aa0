from datetime import timedelta

import pytest

from warehouse.clock import machine_clock
from warehouse.connect import connect
from warehouse.errors import UnfitDatabase
from warehouse.inspection import DatabaseFacts, help_for_roles, help_for_tables, inspect, require_ability


@pytest.fixture
def stranger(server, template):
    """An account that may connect and nothing else, on a server where our roles exist."""
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create role stranger login")
    yield server.url("postgres").replace("postgres@", "stranger@")
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop role stranger")


def test_the_owner_of_the_embedded_server_lacks_nothing(database):
    facts = inspect(database.owner_url)
    assert facts.version >= 15
    assert (facts.account, facts.may_create_tables, facts.may_create_databases) == ("postgres", True, True)
    assert facts.may_read_all_rows
    require_ability(facts)
    assert (facts.absent_roles, facts.foreign_roles) == ((), ())
    assert abs(facts.now - machine_clock()) < timedelta(seconds=5)


def test_an_account_without_rights_learns_which_and_the_sql_that_grants_them_works(server, stranger):
    facts = inspect(stranger)
    assert (facts.may_create_tables, facts.may_create_databases, facts.may_read_all_rows) == (False, False, False)
    assert (facts.absent_roles, facts.foreign_roles) == ((), ("factorloom_writer", "factorloom_api"))
    assert help_for_roles(facts) == 'As a superuser: grant factorloom_writer, factorloom_api to "stranger";'
    assert help_for_tables(facts) == 'As a superuser: alter database "postgres" owner to "stranger";'
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(help_for_roles(facts).removeprefix("As a superuser: "))
    assert inspect(stranger).foreign_roles == ()
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("revoke factorloom_writer, factorloom_api from stranger")


LACKING = DatabaseFacts(
    version=18, account="a", database="w", may_create_tables=True, may_create_databases=False, may_read_all_rows=False,
    foreign_roles=("factorloom_api",), absent_roles=("factorloom_api",), now=machine_clock(),
)  # fmt: skip


def test_roles_that_do_not_exist_are_made_first():
    assert help_for_roles(LACKING) == (
        'As a superuser: create role factorloom_api nologin; grant factorloom_api to "a";'
    )


def test_an_account_that_may_make_roles_needs_nobody_to_make_ours(server, stranger):
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("alter role stranger createrole")
        made_by_others = inspect(stranger)
        connection.execute("alter role factorloom_writer rename to set_aside")
        try:
            facts = inspect(stranger)
        finally:
            connection.execute("alter role set_aside rename to factorloom_writer")
    # Since PostgreSQL 16 the right to make roles is not one to act as those that others have made.
    assert made_by_others.foreign_roles == ("factorloom_writer", "factorloom_api")
    assert (facts.foreign_roles, facts.absent_roles) == (("factorloom_api",), ())


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (LACKING, r"act as factorloom_api, or to make them; a is not\. As a superuser: create role factorloom_api"),
        (LACKING._replace(version=14), r"PostgreSQL must be 15 or newer; it is 14\. Use a newer server"),
        (LACKING._replace(may_create_tables=False), r"in database w; a is not\. As a superuser: alter database \"w\""),
    ],
)
def test_a_database_that_cannot_carry_the_warehouse_is_refused_with_the_way_out(facts, sentence):
    with pytest.raises(UnfitDatabase, match=sentence):
        require_ability(facts)
