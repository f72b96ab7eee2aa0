from datetime import timedelta

import pytest

from warehouse.clock import machine_clock
from warehouse.connect import connect
from warehouse.inspection import DatabaseFacts, help_for_roles, inspect


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
    assert (facts.account, facts.may_create_roles, facts.may_create_databases) == ("postgres", True, True)
    assert facts.may_read_all_rows
    assert (facts.absent_roles, facts.foreign_roles) == ((), ())
    assert abs(facts.now - machine_clock()) < timedelta(seconds=5)


def test_an_account_without_rights_learns_which_and_the_sql_that_grants_them_works(server, stranger):
    facts = inspect(stranger)
    assert (facts.may_create_roles, facts.may_create_databases, facts.may_read_all_rows) == (False, False, False)
    assert (facts.absent_roles, facts.foreign_roles) == ((), ("factorloom_writer", "factorloom_api"))
    grant = help_for_roles(facts)
    assert grant == 'grant factorloom_writer, factorloom_api to "stranger";'
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(grant)
    assert inspect(stranger).foreign_roles == ()
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("revoke factorloom_writer, factorloom_api from stranger")


def test_roles_that_do_not_exist_are_made_first():
    facts = DatabaseFacts(18, "a", False, False, False, ("factorloom_api",), ("factorloom_api",), machine_clock())
    assert help_for_roles(facts) == 'create role factorloom_api nologin; grant factorloom_api to "a";'
