"""Wordings of verdicts in languages other than English: labels and a few unambiguous sentences.

The patterns match the canonical strings of `answer_words`, in which every Chinese, Japanese or Korean
syllable is a token of its own.
"""

from __future__ import annotations

import re

_CJK = re.compile(
    r"(?<=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])(?=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])"
)
_REF = "(?P<a>[RDFB][12])"
_OTHER = "[RDF][12]"


def _spaced(words: str) -> str:
    """Return alternatives with spaces between Chinese, Japanese and Korean syllables."""
    return "|".join(_CJK.sub(" ", word) for word in words.split("/"))


FOREIGN_LABELS = "|".join(
    f"(?:{pattern})"
    for pattern in (
        "(?:(?:meine|mein|die|das|der|endgültige|endgültiges|finale|finales) )*"
        "(?:antwort|entscheidung|urteil|wahl|sieger|gewinner|fazit|endurteil|bessere antwort"
        "|empathischere antwort)",
        "(?:(?:ma|mon|la|le) )?(?:réponse|verdict|choix|décision|jugement|gagnante|conclusion"
        "|meilleure réponse|réponse (?:la )?plus empathique)(?: final| finale| définitive)?",
        "(?:(?:mi|la|el) )?(?:respuesta|veredicto|elección|decisión|ganadora|conclusión|mejor respuesta"
        "|respuesta (?:más empática|elegida))(?: final)?",
        "(?:(?:minha|a|o|meu) )?(?:resposta|veredito|veredicto|escolha|decisão|conclusão|melhor resposta"
        "|resposta mais empática)(?: final)?",
        "(?:(?:la|il) )?(?:mia )?(?:risposta|verdetto|scelta|decisione"
        "|conclusione|risposta migliore"
        "|migliore risposta|risposta più empatica)(?: finale)?",
        "(?:(?:mijn|het|de) )?(?:uiteindelijke |definitieve )?(?:antwoord|oordeel|keuze|beslissing|conclusie"
        "|beste antwoord|betere antwoord)",
        "(?:(?:мой|моё|итоговый|окончательный|окончательное|финальный) )*(?:ответ|вердикт|выбор|решение|вывод"
        "|лучший ответ|более эмпатичный ответ)",
        "(?:الإجابة|الجواب|الحكم|القرار|الاختيار|إجابتي|اختياري|الخيار)(?: النهائية| النهائي| الأفضل)?",
        "(?:(?:मेरा|मेरी|अंतिम) )*(?:उत्तर|जवाब|निर्णय|फैसला|फ़ैसला|चुनाव|चयन|बेहतर प्रतिक्रिया)",
        "(?:(?:moja|ostateczna) )?(?:odpowiedź|werdykt|wybór|decyzja)"
        "|(?:mitt |mit )?(?:slutgiltigt )?(?:svar|val|valg|beslut)"
        "|cevap|cevabım|seçim|karar|yanıt|câu trả lời|đáp án|lựa chọn|kết luận|vastaus|jawaban|pilihan",
        _spaced(
            "答/答案/最终答案/最終答案/我的答案/结论/結論/最终结论/选择/選擇/我的选择/最终选择/裁决/判断/判斷/判定/最终判断/评判结果"
            "/更有同理心的回答/更具同理心的回答/更好的回答/更好的回复/最佳回答/回答/答え/最終回答/最終判定/最終的な答え/選択"
            "/より共感的な応答/より良い応答/私の答え"
        ),
        "(?:최 종 )?(?:" + _spaced("답/정답/답변/결론/판단/선택/판정/더 나은 응답/더 공감적인 응답") + ")",
    )
)

BECAUSE = (
    r" ?,? ?(?:weil|da|denn|car|parce que|parce qu'\w+|puisque|porque|ya que|pois|perché|poiché|omdat|want"
    rf"|потому что|так как|क्योंकि|{_spaced('因为/因為')}) (?=\S)"
)
_DE = "(?:(?:deutlich|etwas|klar|insgesamt|eindeutig|viel|wesentlich|merklich) ){0,3}"
_FR = "(?:(?:clairement|nettement|un peu|bien|globalement|beaucoup) ){0,3}"
_ES = "(?:(?:claramente|mucho|un poco|bastante|algo) ){0,3}"
_PT = "(?:(?:claramente|muito|um pouco|bem) ){0,3}"
_IT = "(?:(?:chiaramente|molto|un po'|decisamente|nettamente) ){0,3}"
_RU = "(?:(?:явно|гораздо|немного|значительно|заметно) ){0,3}"

_ZH_BETTER = _spaced(
    "更有同理心/更具同理心/更富有同理心/更富同理心/更有共情/更具共情力/更有同情心/更能共情/更好/更能体现同理心"
    "/表现出更多的同理心/表现出更强的同理心/展现了更多的同理心/体现了更多的同理心"
)
_ZH_CHOICE = _spaced(
    "选/选择/应选/应选择/应该选/应该选择/我选/我选择/我会选择/我选的是/我更喜欢/我的选择是/我的答案是/答案是/最终答案是/最终选择是/更有同理心的是/更有同理心的回答是"
    "/更具同理心的是/更具同理心的回答是/更好的回答是"
)
_JA_BETTER = _spaced("共感的です/共感的である/共感的だ/共感的/共感を示しています/優れています/良いです")
_JA_CHOICE = _spaced("より共感的なのは/私の答えは/答えは/正解は/最終的な答えは/より良い応答は")
_KO_BETTER = _spaced(
    "공감적입니다/공감적이다/공감적이에요/공감적인 응답입니다/공감적인 답변입니다/낫습니다/좋습니다"
)

FOREIGN_SENTENCES = (
    rf"""{_REF} (?:ist|wirkt) {_DE}(?:empathischer|einfühlsamer|besser|die (?:empathischere|bessere
    |einfühlsamere)(?: antwort)?)(?: als {_OTHER})?""",
    rf"""{_REF} (?:zeigt|beweist|vermittelt) {_DE}(?:mehr|größere|stärkere) (?:empathie
    |einfühlungsvermögen)(?: als {_OTHER})?""",
    rf"ich würde {_REF} (?:wählen|bevorzugen|vorziehen)",
    rf"(?:die (?:richtige |endgültige )?antwort|la réponse(?: finale)?|la respuesta(?: final)?"
    rf"|a resposta(?: final)?|la risposta(?: finale)?) (?:ist|lautet|est|es|é|è)(?: :)? {_REF}",
    rf"ich (?:wähle|bevorzuge|entscheide mich für|nehme) {_REF}",
    rf"""(?:meine (?:wahl|antwort|entscheidung)|mein urteil|die (?:empathischere|bessere
    |einfühlsamere) antwort)(?: ist| lautet)(?: :)? {_REF}""",
    rf"""(?:insgesamt |daher |somit )?zeigt {_REF} {_DE}(?:mehr|größere) (?:empathie
    |einfühlungsvermögen)(?: als {_OTHER})?""",
    rf"ich finde {_REF} {_DE}(?:empathischer|einfühlsamer|besser)",
    rf"मेरा {_REF} है",
    rf"{_REF} est {_FR}(?:la )?plus empathique(?: que {_OTHER})?",
    rf"""{_REF} (?:montre|démontre|fait preuve de|exprime|témoigne de|manifeste) {_FR}(?:plus
    |davantage) d'empathie(?: que {_OTHER})?""",
    rf"je (?:choisis|préfère|retiens) {_REF}",
    rf"""(?:ma réponse|mon choix|mon verdict|la meilleure réponse
    |la réponse la plus empathique) est(?: :)? {_REF}""",
    rf"{_REF} es {_ES}(?:la )?más (?:empática|empático)(?: que {_OTHER})?",
    rf"{_REF} (?:muestra|demuestra|expresa|transmite) {_ES}(?:más|mayor) empatía(?: que {_OTHER})?",
    rf"(?:yo )?(?:elijo|prefiero|escojo) {_REF}",
    rf"""(?:mi (?:elección|respuesta|veredicto|decisión)|la mejor respuesta
    |la respuesta más empática) es(?: :)? {_REF}""",
    rf"{_REF} é {_PT}(?:a )?mais empática(?: (?:que|do que) {_OTHER})?",
    rf"""{_REF} (?:mostra|demonstra|expressa|transmite) {_PT}(?:mais|maior) empatia(?: (?:que
    |do que) {_OTHER})?""",
    rf"(?:eu )?(?:escolho|prefiro) {_REF}",
    rf"""(?:(?:a )?minha (?:escolha|resposta|decisão)|a melhor resposta
    |a resposta mais empática) é(?: :)? {_REF}""",
    rf"{_REF} è {_IT}(?:la )?più empatica(?: (?:di|della) {_OTHER})?",
    rf"{_REF} (?:mostra|dimostra|esprime|trasmette) {_IT}(?:più|maggiore) empatia(?: (?:di|della) {_OTHER})?",
    rf"(?:io )?(?:scelgo|preferisco) {_REF}",
    rf"""(?:la mia (?:scelta|risposta|decisione)|la risposta migliore
    |la risposta più empatica) è(?: :)? {_REF}""",
    rf"""{_REF} is (?:duidelijk |iets |veel )?(?:empathischer|meer empathisch
    |het meest empathisch)(?: dan {_OTHER})?""",
    rf"{_REF} toont (?:duidelijk |veel )?meer empathie(?: dan {_OTHER})?",
    rf"ik (?:kies|verkies)(?: voor)? {_REF}",
    rf"""(?:mijn (?:keuze|antwoord|oordeel)|het (?:beste|betere|meest empathische
    |empathischere) antwoord) is(?: :)? {_REF}""",
    rf"""{_REF} {_RU}(?:более эмпатичен|более эмпатичный|эмпатичнее|более эмпатична
    |более сочувственный)(?: ,? ?чем {_OTHER})?""",
    rf"""{_REF} (?:проявляет|выражает|демонстрирует|показывает) {_RU}больше (?:эмпатии|сочувствия
    |эмпатию)(?: ,? ?чем {_OTHER})?""",
    rf"я (?:выбираю|предпочитаю|выбрал|выбрала) {_REF}",
    rf"{_REF} (?:هو |هي )?(?:الأكثر|أكثر) (?:تعاطفا|تعاطفًا|تعاطفاً)(?: من {_OTHER})?",
    rf"(?:أختار|اخترت|أفضل) {_REF}",
    rf"{_REF} (?:अधिक|ज़्यादा|ज्यादा) (?:सहानुभूतिपूर्ण|समानुभूतिपूर्ण|संवेदनशील) है",
    rf"मैं {_REF} (?:चुनता|चुनती|को चुनता|को चुनती) हूँ",
    rf"{_REF} (?:比 {_OTHER} )?(?:{_ZH_BETTER})",
    rf"(?:我 认 为|我 觉 得) {_REF} (?:比 {_OTHER} )?(?:{_ZH_BETTER})",
    rf"(?:{_ZH_CHOICE}) {_REF}",
    rf"{_REF} (?:{_spaced('の方が/のほうが/が')}) (?:よ り )?(?:{_JA_BETTER})",
    rf"(?:{_JA_CHOICE}) {_REF} (?:{_spaced('です/だ/である')})",
    rf"{_REF} (?:で す|だ)",
    rf"(?:(?:최 종 )?(?:답|정 답|답 변)) (?:은|는) {_REF} (?:입 니 다|이 다)",
    rf"{_REF} (?:のほうが|の ほ う が|の 方 が) (?:よ り )?共 感 的 だ と 思 い ま す",
    rf"{_REF} を (?:{_spaced('選びます/選択します/選ぶ/選びました')})",
    rf"{_REF} (?:가|이) 더 (?:{_KO_BETTER})",
    rf"{_REF} (?:을|를) (?:{_spaced('선택합니다/선택하겠습니다/고르겠습니다')})",
)
