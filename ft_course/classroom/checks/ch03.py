"Checks of chapter 03: texts cut off, kappa, confused labels, near duplicates."
import numpy as np

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import Wrong, call, called, expect, expect_cases, tried


def _shares_lost(lengths, limit):
    lost = np.maximum(np.array(lengths) - limit, 0)
    return float(np.mean(lost > 0)), float(lost.sum() / np.sum(lengths))


@exercise("03.cut")
def check_cut(cut_off: callable):
    "The share of texts that lose something, and the share of tokens lost."
    expect_cases(cut_off, _shares_lost, [
            ([10, 30, 40], 20, "The texts of 30 and 40 tokens are cut, and lose 10 and 20 of the 80 tokens."),
            ([20, 20], 20, "A text that fits exactly loses nothing."),
            ([5, 8, 12], 64, "Nothing is cut."),
            ([100], 25, "The one text is cut, and three quarters of its tokens are lost."),
            (np.random.default_rng(3).integers(3, 300, 50).tolist(), 128, "")])


def _kappa(one, other, chance=None):
    "Cohen's kappa, or what it is with another agreement by chance."
    observed = np.mean(np.array(one) == other)
    chance = _by_chance(one, other) if chance is None else chance
    return (observed - chance) / (1 - chance) if chance < 1 else 0.


def _by_chance(one, other) -> float:
    return sum(one.count(x)*other.count(x) for x in set(one)) / len(one)**2


def _other_agreements(one, other) -> dict:
    observed, chance, names = np.mean(np.array(one) == other), _by_chance(one, other), {*one, *other}
    if len(names) == 1: return {}
    return {
        "That is the plain agreement, with the part that chance explains still in it.": observed,
        "That is the agreement to expect by chance; it has to be taken off what was observed.": chance,
        "That is what they agree beyond chance; kappa is that as a share of what there was to agree beyond chance.": observed - chance,
        "The frequencies of the two people are pooled there. Each says a label as often as *they* do: multiply one's share by the other's.":
            _kappa(one, other, _by_chance(one + other, one + other)),
        "Chance is not one over the number of labels: who says a label more often hits it more often by luck.":
            _kappa(one, other, 1/len(names))}


@exercise("03.kappa")
def check_kappa(my_kappa: callable):
    "Cohen's kappa of two lists of labels."
    rng, names = np.random.default_rng(33), ["negative", "neutral", "positive"]
    def people(n, agree):
        one = rng.choice(names, n, p=[.6, .3, .1]).tolist()
        return one, [x if rng.random() < agree else y for x, y in zip(one, rng.choice(names, n, p=[.2, .5, .3]).tolist())]
    expect_cases(my_kappa, _kappa, [
            (["a", "a", "b", "b"], ["a", "a", "b", "a"], "They agree on three of four; chance alone would give two of four."),
            (["a", "a", "a", "b", "c"], ["a", "b", "b", "b", "c"], "The first says `a` three times in five, the second once in five."),
            *[(*people(n, agree), "") for n, agree in ((40, .7), (40, .3), (90, .9))],
            (["a", "b", "c"], ["a", "b", "c"], "Perfect agreement is 1."),
            (["a", "b", "a", "b"], ["b", "a", "b", "a"], "Who agrees less than chance would has a kappa below 0."),
            (["a", "a", "a"], ["a", "a", "a"], "One label for everything is nought over nought, and counts as 0: nothing was shown.")], _other_agreements)


@exercise("03.confuse")
def check_confuse(confuse: callable):
    "Changes a share of one label's rows, drawn at random, into another label, and nothing else."
    labels = np.random.default_rng(31).permutation(["business"]*60 + ["politics"]*30 + ["tech"]*20).tolist()
    for share, wanted in ((.4, 24), (0, 0), (1, 60), (.05, 3)):
        given = list(labels)
        when = f'confuse(labels, "business", "politics", {share}, 0)'
        got = tried(when, confuse, given, "business", "politics", share, 0)
        if got is None or got is ...: return call(lambda: got)   # not attempted
        got = [str(x) for x in got] if np.ndim(got) == 1 else got
        if not isinstance(got, list) or len(got) != len(labels): raise Wrong(f"{when} has to give {len(labels)} labels, one for each row.")
        if given != labels: raise Wrong(f"{when} changed the list that it was given; change a copy, or the right labels are lost.")
        changed = [(a, b) for a, b in zip(labels, got) if a != b]
        if any(pair != ("business", "politics") for pair in changed):
            odd = next(pair for pair in changed if pair != ("business", "politics"))
            raise Wrong(f"{when} turned a {odd[0]!r} into {odd[1]!r}; only business may become politics.")
        expect(len(changed), wanted, f"The number of rows that {when} changed, among 60 of business in {len(labels)},",
               "The share is of the rows labelled business, and each is drawn once at most.")
    rows = [[i for i, (a, b) in enumerate(zip(labels, call(confuse, labels, "business", "politics", .4, seed))) if a != str(b)]
            for seed in (0, 0, 1, 2)]
    if rows[0] != rows[1]: raise Wrong("The same seed drew other rows the second time; make the random generator from the seed.")
    business = [i for i, name in enumerate(labels) if name == "business"]
    if rows[0] == business[:24] or rows[0] == business[-24:]: raise Wrong("Those are the first or the last rows of business; they have to be drawn at random.")
    if rows[0] == rows[2] == rows[3]: raise Wrong("Seeds 0, 1 and 2 drew the same rows; the seed has to decide.")


def _closest(train: list, test: list) -> list:
    "Row of the most similar training text, and the similarity, for each test text."
    def pairs(text): return {*zip(text.split(), text.split()[1:])}
    def jaccard(a, b): return len(a & b) / len(a | b) if a | b else 0.
    table = [[jaccard(pairs(t), pairs(k)) for k in train] for t in test]
    return [(row.index(max(row)), max(row)) for row in table]


@exercise("03.leak")
def check_leak(closest: callable):
    "The most similar training text of each test text, by word pairs."
    cases = [
        (["my bag is gone", "my flight was late again today"], ["my flight was late again"], "Four of five word pairs are in both."),
        (["late again my flight was", "my flight was on time"], ["my flight was late again"],
         "The first has the same words and shares two more pairs than its order leaves: count pairs of neighbours, not words."),
        (["My Flight was late"], ["my flight was late again"], "`split()` leaves capitals as they are: `My` and `my` are two words."),
        (["a b c d e f g h", "a b x"], ["a b"], "Divide by the pairs that are in either text: a long text is not alike because it contains a short one."),
        (["thanks", "so late"], ["thanks", "so late"], "A text of one word has no word pairs, so its similarity to every text is 0."),
        (["no no no no", "no no"], ["no no no"], "A set holds each pair once, however often it stands in the text. Of several that are equally alike it is the first."),
    ]
    rng, words = np.random.default_rng(32), "the my flight bag was is late gone again today".split()
    def draw(n): return [" ".join(rng.choice(words, size)) for size in rng.integers(1, 9, n)]
    cases.append((draw(25), draw(12), ""))
    for train, test, why in cases:
        got, when, wanted = call(closest, train, test), called(closest, train, test), _closest(train, test)
        try: got = [(None if row is None else int(row), float(likeness)) for row, likeness in got]
        except (TypeError, ValueError) as err:
            raise Wrong(f"{when} has to give a pair (row of the training text, similarity) for each test text.") from err
        if len(got) != len(test): raise Wrong(f"{when} gives {len(got)} pairs for {len(test)} test texts; it has to be one for each.")
        for text, (row, likeness), (right_row, right) in zip(test, got, wanted):
            if abs(likeness - right) > 1e-6 or (right and row != right_row):   # where nothing is alike, any row will do
                raise Wrong(f"For the test text {text!r} {when} says row {row} with {likeness:.3g}; it should be row {right_row} "
                            f"({train[right_row]!r}) with {right:.3g}. {why}".strip())
