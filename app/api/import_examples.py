"""Examples of registers. Nobody in them exists; see `examples.py`."""

from app.api.examples import Examples

_RUSSIAN = (
    "Серия;№;Фамилия;Имя;Отчество;Дата рождения;Пол;Гражданство;Номер документа;Цель визита;"
    "Пункт въезда;Дата въезда;Пункт выезда;Дата выезда\r\n"
    "4619;0012345;Образцов;Азиз;Каримович;12.05.1990;М;Узбекистан;SP 0000901;Работа;"
    "Шереметьево;03.03.2019 10:40;Домодедово;20.05.2019 18:05\r\n"
    "4619;12346;Образцова;Анна;;14.03.1988;Ж;Таджикистан;SP 0000902;Туризм;Пулково;04.03.2019;;\r\n"
)

REGISTER_EXAMPLES: Examples = {
    "russian": {"summary": "A register in Russian, a zero lost in its second card", "value": _RUSSIAN},
}
