"""Words for the first and the second response in languages other than English."""

from __future__ import annotations


def _table(first: str, second: str) -> dict[str, str]:
    return {word: answer for answer, words in (("1", first), ("2", second)) for word in words.split("/")}


ARTICLES = "die|der|das|la|le|el|a|il|het|de"
NOUNS = (
    r"antwort|reaktion|r[ée]ponse|respuesta|resposta|risposta|antwoord|reactie|ответ|вариант|الرد|الاستجابة|الإجابة"
    r"|प्रतिक्रिया|उत्तर|जवाब"
)
ORDINALS = _table(
    "erste/erster/première/premier/primera/primeira/prima/eerste/первый/первая/الأولى/الأول/पहला/पहली",
    "zweite/zweiter/deuxième/seconde/segunda/seconda/tweede/второй/вторая/الثانية/الثاني/दूसरा/दूसरी",
)
ALONE = frozenset(["الأولى", "الأول", "الثانية", "الثاني"])  # the article is part of these words
SYLLABLE_ORDINALS = _table(
    "第一个回答/第一个回复/第一个回应/第一個回答/第一個回應/第一条回复/第一个/第一個/最初の応答/最初の回答/1番目の応答/1番目の回答"
    "/첫 번째 응답/첫 번째 답변/첫번째 응답/첫번째 답변",
    "第二个回答/第二个回复/第二个回应/第二個回答/第二個回應/第二条回复/第二个/第二個/二番目の応答/二番目の回答/2番目の応答/2番目の回答"
    "/두 번째 응답/두 번째 답변/두번째 응답/두번째 답변",
)
