"""English wordings of verdicts: patterns over the canonical strings of `answer_words`.

`SENTENCES` are complete assertions of overall superiority in empathy; `LEAD` may precede one and `TRAIL` may
follow it. Group `a` is the named response, `OTHER` the other one. Line ends in a pattern are layout.
"""

from __future__ import annotations

import re

from agents.verdicts.languages import FOREIGN_LABELS

_LAYOUT = re.compile(r"\s*\n\s*")


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern without the line ends of its layout."""
    return re.compile(_LAYOUT.sub("", pattern))


REF = r"(?P<a>[RDFB][12])"
OTHER = r"""(?:[RDF][12]|the other(?: W1| response| reply| option| answer)?|its (?:counterpart|rival)
    |the alternative)"""
_W2 = r"W2(?: responses| replies| options| answers)?"
_THING = rf"(?:response|reply|W1|option|answer|choice|message|candidate|of the {_W2}|of them)"
_DECISION = r"""(?:(?:one-word |single-character |one-character |short )?(?:answer|verdict|choice
    |decision|output
    |pick|selection|preference|winner|judgment
    |judgement|conclusion|vote|ans))"""
_SUPERIOR = r"""(?:(?:the )?(?:more|most) (?:empathetic|empathic)|better|best|stronger|superior|preferred
    |preferable|winning|chosen
    |selected)"""
_BEFORE = r"""(?:(?:final|overall|own|personal|chosen|selected|winning|preferred|better|best|stronger
    |superior|correct|global|more
    |most|empathetic|empathic|the|my|single) ){0,5}"""
_DEGREE = r"""(?:(?:clearly|slightly|somewhat|much|far|significantly|a bit|a little|a lot|definitely
    |marginally|generally|noticeably
    |considerably|overall|therefore|thus|ultimately|certainly|undoubtedly|by far|substantially|markedly
    |decidedly|simply|also
    |consistently|obviously|strongly|easily|even|distinctly|plainly|truly|narrowly|on balance|all in all
    |on the whole
    |in my view|in my opinion|in the end|, in my view ,|, in my opinion ,|, overall ,
    |, on balance ,) ){0,4}"""
_IN_ALL = r"""(?:in every respect|in all respects|on (?:all|each of the
    |all of the) (?:N |three )?dimensions|in all (?:N |three )?dimensions
    |across (?:all|the) (?:N |three )?dimensions|on every dimension|in every dimension|taken as a whole
    |as a whole|altogether)"""
QUALIFIER = rf"""(?: (?:here|overall|for me|in (?:this|my) (?:case|comparison|view|opinion)|(?:of
    |between) the {_W2}
    |in terms of empathy|for empathy|with regard to empathy|in json)){{0,3}}"""
_EMPATHY = r"""(?:more|greater|deeper|stronger|better|higher|the most|most|the more|the greater
    |the deeper)(?: (?:genuine|overall|true
    |real|authentic|human|emotional|and|deeper|warm)){0,2} empathy(?: and (?:warmth|understanding|care
    |compassion))?"""
_HOLDS = r"""(?:shows?|showed|showing|demonstrates?|demonstrated|displays?|displayed|expresses|expressed
    |conveys?|conveyed|exhibits?
    |offers?|offered|provides?|has|contains?|reflects?|communicates?|responds with|answers with
    |replies with|embodies|delivers
    |brings|gives)"""
_ALIKE = r"""(?:supportive|compassionate|warm|warmer|caring|understanding|validating|kind|kinder|attuned
    |helpful|genuine|personal
    |thoughtful|comforting|attentive|sincere|engaging|engaged|emotionally attuned|emotionally supportive
    |human|considerate
    |sensitive|personalized|heartfelt|authentic|gentle|gentler|thorough)"""
_ADJECTIVE = rf"""(?:(?:(?:more |most )?{_ALIKE} (?:and|, and) )?(?:more|most) (?:empathetic|empathic
    |empathetically attuned)
    (?: (?:and|, and|,) (?:more )?{_ALIKE}(?! (?:her|his|him|the|their|them|a|what|why|how)\b)){{0,3}})"""
_MORE = rf"""(?:{_ADJECTIVE}|better|best|superior|preferable|preferred|stronger|to be preferred|(?:the
    |a) (?:clear |overall )?winner)"""
_TOWARDS = r"""(?: (?:towards?|for|to|with) (?:the )?(?:speaker|user|person|writer|author|poster|her|him|them)
    (?: 's (?:feelings|situation|pain|emotions))?(?! than towards))"""
SUPERIOR_NOUN = rf"""(?:(?:the |a )?{_ADJECTIVE} {_THING}|the {_ADJECTIVE}(?= [.,;:!(]|$)
    |(?:the |a )?(?:(?:clear|overall|clearly) )?{_SUPERIOR} {_THING}
    |(?:the |my )?(?:(?:final|overall|clear|own) ){{0,2}}(?:winner|choice|pick|answer|preference|verdict)
    |the W1 (?:that|which) {_HOLDS} {_DEGREE}{_EMPATHY}|the W1 with {_EMPATHY}|the W1 (?:i|i'd
    |i would) (?:choose|prefer|pick)
    |the better of the W2|what i (?:choose|prefer|would choose))"""
_IS = r"(?:is|was|proves(?: to be)?|strikes me as|stands out as|emerges as|remains|ranks as)"
_FEELS = r"(?:feels|sounds|seems(?: to be)?|appears(?: to be)?|comes across as|comes off as|reads as)"
SHOWS = rf"""(?:{_HOLDS} {_DEGREE}{_EMPATHY}{_TOWARDS}?
    |{_HOLDS} {_DEGREE}(?:a|the) {_DEGREE}(?:greater|higher|deeper|stronger|better|most) (?:level|degree
    |sense|amount|display|expression
    |depth) of (?:genuine |overall |true )?empathy{_TOWARDS}?
    |{_HOLDS} {_DEGREE}(?:a |the )?more (?:empathetic|empathic) (?:understanding|engagement|concern|support
    |reply|response|answer)
    |{_HOLDS} empathy{_TOWARDS}? {_DEGREE}(?:better|best|more (?:clearly|fully|effectively|deeply|strongly
    |genuinely|convincingly))
    |{_DEGREE}(?:better|best|more (?:clearly|fully|effectively|deeply|strongly
    |genuinely)) {_HOLDS} (?:genuine )?empathy{_TOWARDS}?
    |(?:responds|answers|replies|reacts) {_DEGREE}(?:more|most) (?:empathetically|empathically){_TOWARDS}?
    |does a {_DEGREE}better job (?:of|at) (?:empathi[sz]ing|(?:showing|expressing|conveying
    |demonstrating) empathy)(?: with the speaker)?
    |wins|won|comes out (?:ahead|on top)|gets my vote|has my vote|has the edge|takes the edge
    |deserves the win|takes it)"""
_BEATS = r"""(?:beats|outperforms|surpasses|outdoes|is ahead of|wins over|wins against|is preferable to
    |is superior to
    |is to be preferred (?:over|to)|edges out)"""
_DECIDES = r"""(?:i|i'd|i'll|i'm|i've|i would|we)
    (?: (?:would|will|do|am|am inclined to|inclined to|ultimately|therefore|thus|clearly|definitely
    |strongly|personally|overall|also
    |have|rather
    |still|do not hesitate to|don't hesitate to|can't help but|cannot help but|have no hesitation in)){0,3}
    (?: (?:choose|pick|select|prefer|favou?r|go with|going with|go for|output|vote for|opt for|chose
    |picked|selected
    |preferred|went with
    |choosing|picking|selecting|voting for|opting for|decide (?:for|on|in favou?r of)|decided (?:for|on)
    |vote|lean(?:ing)? (?:slightly |strongly |clearly )?(?:towards?|to)|give it to|answer(?: with)?))"""
_CHOSEN_AS = rf"(?: as (?:being )?(?:{SUPERIOR_NOUN}|{_MORE}))?"
TRAIL = rf"""(?: ?,? ?(?:(?:than|over|to|compared (?:to|with)|not|rather than|instead of) {OTHER}(?: does
    | is)?
    |(?:of|between) the {_W2}|overall|here|by far|for me|to me|hands down|narrowly|clearly|{_IN_ALL}
    |in (?:this|my) (?:case|comparison|view|opinion|judgment|judgement|assessment|situation|context)
    |in the end
    |i (?:think|believe|feel)|on (?:a )?closer (?:look|inspection|reading)|by (?:a|the) (?:\w+ )?(?:margin
    |mile|bit|hair|nose|lot)
    |in terms of (?:overall )?empathy|when it comes to empathy|with regard to empathy|(?:on
    |in) (?:overall )?empathy
    |with (?:low|high|some|moderate|great|full) confidence|(?:to|for) (?:the|this) speaker
    |at the end of the day)(?= |$)){{0,4}}"""

SENTENCES = (
    rf"{REF} {_DEGREE}{_FEELS} {_DEGREE}(?:the )?{_ADJECTIVE}(?: {_THING})?{_TOWARDS}?",
    rf"{REF} (?:should be|deserves to be|must be) (?:preferred|chosen)",
    rf"{REF} {_DEGREE}{_IS} {_DEGREE}(?:{_MORE}|{SUPERIOR_NOUN}){_TOWARDS}?",
    rf"{REF} {_DEGREE}{SHOWS}",
    rf"{REF} {_DEGREE}{_BEATS} {OTHER}",
    rf"{REF} > (?:> )?{OTHER}",
    rf"{OTHER} < (?:< )?{REF}",
    rf"""{OTHER} {_DEGREE}(?:is|was|feels|sounds) {_DEGREE}(?:less (?:empathetic|empathic) than
    |not (?:as|so) (?:empathetic
    |empathic) as) {REF}""",
    rf"{OTHER} (?:isn't|wasn't) {_DEGREE}(?:as|so) (?:empathetic|empathic) as {REF}",
    rf"{OTHER} {_DEGREE}{_HOLDS} {_DEGREE}less empathy{_TOWARDS}? than {REF}",
    rf"{REF} it is",
    rf"(?:it|that|this)(?:'s)? (?:has to|must|gotta|has got to) be {REF}",
    rf"""(?:my|the) {_BEFORE}{_DECISION}{QUALIFIER} {_DEGREE}(?:is|was|would be|goes to|will be|should be
    |must be|has to be|remains
    |falls on)(?: :)? {_DEGREE}{REF}""",
    rf"""(?:the|my) {_BEFORE}(?:{_SUPERIOR}|{_ADJECTIVE})(?: {_THING})?{QUALIFIER} {_DEGREE}(?:is|was
    |would be|has to be|must be)
    (?: :)? {_DEGREE}{REF}""",
    rf"""the (?:response|reply|W1|option) (?:that|which) (?:is {_DEGREE}{_MORE}|{SHOWS}){QUALIFIER} (?:is
    |was)(?: :)? {REF}""",
    rf"the (?:response|reply|W1) with {_EMPATHY} is {REF}",
    rf"{_DECIDES}(?: :)? {_DEGREE}{REF}{_CHOSEN_AS}",
    rf"""(?:i|i'd|we) (?:would )?(?:find|found|consider|judge|deem|see|call) {REF} (?:to be |as )?{_DEGREE}
    (?:{_MORE}|{SUPERIOR_NOUN})""",
    rf"""(?:i|i'd|we) (?:would )?(?:rate|rank|place|put) {REF} (?:as {_DEGREE}(?:{_ADJECTIVE}|{SUPERIOR_NOUN})
    |higher (?:in|on|for) (?:overall )?empathy|(?:higher|above|ahead of)(?: than)? {OTHER}
    |W1(?: and {OTHER} W2)?)""",
    rf"""(?:it is|it's|that is|that's|this is|that would be) {_DEGREE}{REF}(?: (?:that|which) (?:{SHOWS}
    |is {_MORE}))?""",
    rf"{_EMPATHY} is (?:shown|displayed|demonstrated|expressed|conveyed|found) (?:by|in) {REF}",
    rf"there is {_EMPATHY} in {REF}",
    rf"""(?:(?:i|i'd|i would|i'll) (?:would )?(?:give|award) )?(?:my vote|the win|the point|the victory
    |the edge) (?:goes to|to) {REF}""",
)
CHOICES = (
    r"(?P<a>tie)(?= [.!:]|$)",
    rf"{REF} (?:over|, not|not|rather than|instead of) {OTHER}",
)
TIES = (
    r"""(?:it is|it's|this is|i call it|i'd call it|i would call it|i call this|the result is|the verdict is
    |my (?:answer|verdict|choice) is|the answer is)(?: :)? (?:a )?(?:tie|draw|tied)""",
    rf"""(?:both(?: responses| replies| options)?|the {_W2}|they|(?:both )?[RD]1 and [RD]2
    |(?:both )?[RD]2 and [RD]1)
    (?:(?: (?:are|show|seem))?(?: (?:about|roughly|equally|exactly)){{0,2}} (?:tied|equally (?:empathetic
    |empathic)|empathetic equally
    |equal(?:ly)? in empathy|equal empathy|the same empathy|tie))""",
    rf"""neither(?: response| reply| option| W1| of the {_W2})? (?:is|shows) more (?:empathetic|empathic
    |empathy)
    (?: than the other(?: W1| response)?)?""",
    r"i (?:choose|pick|say|vote|declare) (?:a )?(?:tie|draw)",
    r"[RD]1 = [RD]2|[RD]2 = [RD]1",
    rf"there is no (?:\w+ )?difference in (?:overall )?empathy(?: between (?:them|the {_W2}))?(?= [.!]|$)",
)

_CONSIDERED = r"""(?!W2 of )(?:(?:the|all|three|N|both|W2|responses?|replies|options|answers|dimensions?|of
    |empathy|and|carefully|careful
    |everything|these|this|that|aspects|criteria|factors|points|above|analysis|comparison|evaluation
    |evidence|each|other|side|by
    |into|account|definitions?|given|reasoning|consideration|considerations|assessment|reasons|provided|information|text|context|guidelines|my|full
    |thorough|weighing
    |comparing|considering|reading|against|them|R1|R2|it|question|rereading|closer|look|second
    |W2 reading) ){1,9}"""
CONCLUDES = rf"""(?:therefore|thus|hence|so|consequently|accordingly|as a result|overall|ultimately|finally
    |in (?:conclusion|summary|short|sum|the end|total)|to (?:conclude|summari[sz]e|sum up)|all in all
    |on balance|on the whole
    |taken together|taken as a whole|altogether|all things considered|{_IN_ALL}|nevertheless|nonetheless
    |still|even so|however|but|yet
    |that said|that being said|having said that
    |(?:based on|given|considering|from|after|upon|following|weighing|comparing|judging by|having|taking|by
    |on|in light of) {_CONSIDERED}(?=,)|(?:based on|given|after|from) (?:this|that|these|the above)
    |for (?:these|this|that) reasons?
    |because of (?:this|that)|with (?:this|that|all this) in mind)"""
_SAYS = rf"""(?:in my (?:judgment|judgement|opinion|view|assessment|evaluation|reading)|to my mind|for me
    |to me
    |(?:i|i'd|i would) (?:have to |must |would )?(?:think|believe|feel|conclude|say|argue|find that|judge that
    |am convinced)(?: that)?|i'm convinced that
    |it (?:is (?:clear|evident|plain|obvious)|seems|appears|looks)(?: to me)? that|it's clear that|clearly
    |definitely
    |yes|certainly|undoubtedly|probably|without (?:a |any )?(?:doubt|hesitation|question)|no doubt
    |there is no (?:question|doubt) that
    |personally|in this (?:case|comparison|dialogue|situation)
    |as (?:the|a) judge|my (?:judgment|verdict|view|conclusion|opinion|assessment) is that
    |(?:of|between|out of|among|comparing|when comparing|looking at|asked to choose between) (?:the {_W2}
    |both(?: responses| replies)?
    |them|these {_W2}|[RD][12] and [RD][12])|(?:compared (?:to|with)|unlike|in contrast to
    |relative to) [RF][12]|unlike (?:many|some|most|other) (?:readers|people|judges)
    |in terms of (?:overall )?empathy|regarding empathy|with regard to empathy|as for empathy
    |when it comes to empathy
    |judged (?:on|by) empathy(?: alone)?|on empathy alone|from the (?:speaker|user) P?'?s? ?perspective
    |from the (?:speaker|user)'s perspective
    |if i (?:had to|have to|must|need to|were to) (?:choose|pick|decide|answer)(?: W1| between (?:them
    |the {_W2}))?|(?:if )?forced to choose
    |by the criteria given|easily|obviously|hm+
    |let me (?:think|see)(?: about (?:this|it))?(?= [,:…—.])|here|well|ok|okay|sure|of course
    |(?:with|by saying|in saying) Q)"""
LEAD = rf"""(?:(?:and )?(?:{CONCLUDES}|{_SAYS}|here is my {_BEFORE}{_DECISION}
    |here's my {_BEFORE}{_DECISION})(?: ?[,:—→.!…])? )"""
# leads after which a response's name alone is an assertion: "So Response 2."
ASSERTS = r"""(?:in my |to my mind|for me|to me|(?:i|i'd|i would) (?:have to |must )?(?:think|believe
    |feel|conclude|say)|definitely|clearly|certainly
    |undoubtedly|easily|obviously|hm+|let me|without|probably|no doubt|if i|forced|sure)"""
CORRECTS = r"""(?:(?:actually|correction|scratch that|on (?:second thought|W2 thought|reflection
    |further reflection)|looking again|edit|i change my (?:answer|mind|verdict)(?: to)?|no wait|wait|sorry
    |i mean|no(?= [,:—.;]))(?: ?[,:—.;])*(?: |$))+"""

_DETERMINED = r"(?:(?:my|the|a|here is my|here's my|and|and the) )?"
LABEL = rf"""(?:{_DETERMINED}{_BEFORE}{_DECISION}{QUALIFIER}(?: on empathy)?
    |{_DETERMINED}{_BEFORE}(?:{_SUPERIOR}|{_ADJECTIVE})(?: {_THING})?{QUALIFIER}
    |(?:my |the )?(?:final )?(?:response|reply|output|result|option|answer)|final|overall
    |in W1 (?:character|word)
    |(?:the )?(?:response|reply|W1|option) (?:(?:that|which) (?:is {_MORE}|{SHOWS})|(?:with
    |showing) {_EMPATHY})
    |which (?:response|reply|W1|option) is (?:the )?{_MORE}|i answer|tl ; dr|a|assistant|judge|therefore|so
    |thus|{FOREIGN_LABELS})"""
ASKED = rf"""(?:(?:q|question) : )?(?:which (?:response|reply|W1|option|of the {_W2}|of these(?: {_W2})?
    |of them)? ?
    (?:is (?:the )?{_MORE}(?: {_THING})?|{SHOWS}){QUALIFIER}(?: ,? ?[RD][12] or [RD][12])?
    |[RD][12] or [RD][12])"""
PARENTHESIS = r"""(?: \( (?:(?:[RD][12]|or|/|,|N|tie|and|either|number|only|the|more|empathetic|response|W1
    |W2|of|character|word
    |single) ){1,12}\))?"""
