from tests.domain.state_diagram import DOCUMENT, text


def test_the_committed_diagram_is_drawn_from_the_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(), "make states"
