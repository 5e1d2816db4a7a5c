"""The cases are met by the clients that the tests of the API have."""

from tests.api.conftest import client, colleague, contract, house, new_tester

__all__ = ["client", "colleague", "contract", "house", "new_tester"]
