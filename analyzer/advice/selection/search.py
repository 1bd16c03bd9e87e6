"""The search for the best set: programme, planner, programme again, until the bound is met or the plans are spent.

Each round solves the programme with guesses, which bounds every possible choice, and follows its choice to exact costs;
what that teaches goes into the next round. In between the programme without guesses gives sets that can be had. The
best set seen, always as the planner costs it, is improved by local search.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from analyzer.advice.selection.alternatives import Alternatives, Option
from analyzer.advice.selection.bits import bits, mask_of
from analyzer.advice.selection.costs import CostBook
from analyzer.advice.selection.optimise import IndexChoice, best_choice
from analyzer.advice.selection.value import StatementWeights
from analyzer.advice.selection.writes import WriteModel

# measured: at 1,000 MB TPC-H needed 16, of few plans each, until the programme's choice was as good as it thought
ROUNDS_WITHOUT_GUESSES = 30
GAP = 0.002  # judgement: a fifth of what the planner takes as equal; the last tenths cost HiGHS most of its time
FORGONE = 0.002  # of all there is to gain: judgement, as small as what HiGHS may miss (GAP)
FEW = 20  # queries, or indexes in sight of one: with so many nothing has to be saved
MANY = 100  # indexes in sight of a query, in a workload that has more: each plan takes twice as long as with few
# A round costs the optimiser a quarter of a second on TPC-H: two that hardly narrow the gap end the search. Judgement.
LEAST_PROGRESS, IDLE_ROUNDS = 0.1, 2
LAYERS = 2  # measured on TPC-H: four or eight find no better set
TIERS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03)  # shares of the largest size allowed: small indexes hide behind wide ones


@dataclass(slots=True)
class BestSet:
    """The best set for one budget; ``bound``: of its planned cost per day, charges of indexes included."""

    chosen: int
    bound: float
    budget_bytes: float | None


@dataclass(slots=True)
class Search:
    """``charges``: write costs with the least worth of an index added to each."""

    book: CostBook
    weights: Sequence[float]
    sizes: Sequence[int]
    charges: WriteModel
    merges: Sequence[int] = ()  # by index: the other covering ones whose work it does
    most_rounds: int = 24
    target_gap: float = 0.005
    progress: Callable[[str, float], None] | None = None
    alternatives: list[Alternatives] = field(default_factory=list)
    objectives: dict[int, float] = field(default_factory=dict)  # set -> objective, every one the planner costed
    valuation: StatementWeights = field(default_factory=lambda: StatementWeights(1.0, ()))
    _deep: list[bool] = field(default_factory=list)
    _solved: set[tuple[float | None, int]] = field(default_factory=set)

    # learning

    def learn(self, most_plans_each: int = 6) -> None:
        """For each query: with nothing, with everything, without what it used, with small indexes only."""
        ends = []
        for q in range(len(self.book.queries)):
            ends.append(self._both_ends(q))
            self._report_progress("planning", (q + 1) / len(self.book.queries))
        self._deep = self._worth_a_thought([w * (b - f) for w, (b, f) in zip(self.weights, ends, strict=True)])
        liked = self._liked_by_each()
        together = self._with_merged(liked)
        popular = self._popular(liked)
        for q, (base, floor) in enumerate(ends):
            usable = self.book.usable[q]
            if usable.bit_count() > FEW:
                everybodys = usable & together
                own = liked[q] | (everybodys & popular)
                self.book.screen(q, everybodys if everybodys.bit_count() <= MANY else own)
            alternatives = Alternatives.start(self.book, q, base, floor)
            self.alternatives.append(alternatives)
            if self._deep[q] and self.book.may_plan:
                for number in bits(liked[q]):
                    self.book.cost(q, 1 << number)
                alternatives.walk(0, most_plans_each)
            self._report_progress("alternatives", (q + 1) / len(ends))
        times = [self.book.bounds(q, 0).time for q in range(len(ends))]
        self.valuation = StatementWeights.of(self.weights, [base for base, _ in ends], times)

    def _worth_a_thought(self, gains: Sequence[float]) -> list[bool]:
        """The queries with nearly all there is to gain; in a large workload most have next to nothing of it."""
        left, total = sum(gains), sum(gains)
        forgone = FORGONE if len(gains) > FEW else 1e-6
        worth = [False] * len(gains)
        for q in sorted(range(len(gains)), key=lambda q: (-gains[q], q)):
            if left <= forgone * total:
                break
            worth[q] = gains[q] > 0
            left -= gains[q]
        return worth

    def _liked_by_each(self) -> list[int]:
        """By query, the indexes worth a second look."""
        liked = []
        for q in range(len(self.weights)):
            liked.append(self._liked(q) if self._deep[q] and self.book.may_plan else 0)
            self._report_progress("screening", (q + 1) / len(self.weights))
        return liked

    def _with_merged(self, liked: Sequence[int]) -> int:
        """What somebody likes, and what does the work of two of them."""
        together = 0
        for one in liked:
            together |= one
        return together | mask_of(n for n, others in enumerate(self.merges) if (others & together).bit_count() > 1)

    def _popular(self, liked: Sequence[int]) -> int:
        """The MANY that serve the greatest share of the workload."""
        share = [0.0] * len(self.sizes)
        for q, one in enumerate(liked):
            for number in bits(one):
                share[number] += self.weights[q] * self.book.bounds(q, 0)[1]
        first = sorted(range(len(share)), key=lambda n: (-share[n], n))[:MANY]
        return mask_of(n for n in first if share[n])

    def _both_ends(self, q: int) -> tuple[float, float]:
        """Cost with no new index and with all of them; 0 where the query cannot be planned."""
        base = self.book.plan(q, 0).cost
        floor = base if q in self.book.refused else min(base, self.book.plan(q, self.book.relevant[q]).cost)
        return (0.0, 0.0) if q in self.book.refused else (base, floor)

    def _liked(self, q: int) -> int:
        """What the planner takes, with everything in sight and with small indexes only, and what it takes instead."""
        everything = self.book.relevant[q]
        _, ever = self.book.cost(q, everything)
        largest = max((self.sizes[n] for n in bits(ever)), default=0)
        for share in TIERS:
            left = mask_of(n for n in bits(everything) if self.sizes[n] <= share * largest)
            for _ in range(LAYERS):
                _, used = self.book.cost(q, left)
                if not used:
                    break
                ever |= used
                left &= ~used
        return ever

    # costs of sets

    def objective(self, chosen: int) -> float:
        """The value of all queries' plans, with the charges."""
        known = self.objectives.get(chosen)
        if known is None:
            known = self.charges.cost(chosen) + sum(
                weight * self.value(q, chosen) for q, weight in enumerate(self.weights)
            )
            self.objectives[chosen] = known
        return known

    def value(self, q: int, chosen: int) -> float:
        """Of one call of the query."""
        exact = self.book.exact(q, chosen)
        return self.valuation.value(q, exact.high, exact.time)

    def planned(self, chosen: int) -> float:
        """As the planner costs it, with the charges."""
        return self.charges.cost(chosen) + sum(
            weight * self.book.cost(q, chosen)[0] for q, weight in enumerate(self.weights)
        )

    def fits(self, chosen: int, budget: float | None) -> bool:
        return budget is None or self.size(chosen) <= budget

    def size(self, chosen: int) -> int:
        return sum(self.sizes[n] for n in bits(chosen))

    # one budget

    def run(self, budget: float | None) -> BestSet:
        best = min((s for s in self.objectives if self.fits(s, budget)), key=self._rank, default=0)
        best = self._with_what_is_known(best, budget)
        bound = 0.0
        gap, idle = float("inf"), 0
        for round_ in range(self.most_rounds):
            # by halves while that teaches something, then whole
            choice = self._choose(budget, guesses=True, relaxed=True)
            learnt = self._follow(choice.chosen) if choice else 0
            if not learnt:
                choice = self._choose(budget, guesses=True)
                learnt = self._follow(choice.chosen) if choice else 0
            if choice:
                bound = max(bound, choice.bound)
                best = self._better(best, choice.chosen, budget)
            self._report_progress("choosing", (round_ + 1) / self.most_rounds)
            if not learnt or self.planned(best) <= bound * (1 + self.target_gap) or not self.book.may_plan:
                break
            now = self.planned(best) - bound
            idle = 0 if now < gap * (1 - LEAST_PROGRESS) else idle + 1
            gap = min(gap, now)
            if idle >= IDLE_ROUNDS:
                break
        else:
            choice = self._choose(budget, guesses=True)
            bound = max(bound, choice.bound if choice else 0.0)
        best = self._with_what_is_known(best, budget)
        return BestSet(best, min(bound, self.planned(best)), budget)

    def _with_what_is_known(self, best: int, budget: float | None) -> int:
        """Solved again as long as costing its choice teaches something."""
        for _ in range(ROUNDS_WITHOUT_GUESSES):
            if (budget, self.book.plans) in self._solved:
                break
            self._solved.add((budget, self.book.plans))
            choice = self._choose(budget, guesses=False)
            if choice is None:
                break
            best = self._better(best, choice.chosen, budget)
            if self.objective(choice.chosen) <= choice.cost * (1 + GAP):
                break  # as good as it looked: nothing is to be learnt
        return best

    def _choose(self, budget: float | None, *, guesses: bool, relaxed: bool = False) -> IndexChoice | None:
        never = 0 if budget is None else mask_of(n for n, size in enumerate(self.sizes) if size > budget)
        options = []
        for q, (weight, alternatives) in enumerate(zip(self.weights, self.alternatives, strict=True)):
            if not guesses:
                options.append((weight, alternatives.valued(partial(self.valuation.value, q))))
            elif self._deep[q]:
                options.append((weight, alternatives.options(never)))
            else:  # was not looked into: counts with its best possible cost
                options.append((weight, [Option(alternatives.floor)]))
        return best_choice(options, self.sizes, self.charges, budget, gap=GAP, relaxed=relaxed)

    def _follow(self, chosen: int) -> int:
        """Branchings on the way to the exact cost of ``chosen``."""
        return sum(alternatives.walk(chosen, 60) for q, alternatives in enumerate(self.alternatives) if self._deep[q])

    def _better(self, best: int, chosen: int, budget: float | None) -> int:
        if not self.fits(chosen, budget):
            return best
        chosen = self.without_idle(chosen)
        return min(best, chosen, key=self._rank)

    def without_idle(self, chosen: int) -> int:
        """Only what some plan uses: the rest costs and gives nothing."""
        while True:
            self.objective(chosen)
            used = 0
            for q in range(len(self.weights)):
                used |= self.book.cost(q, chosen)[1]
            if used & chosen == chosen:
                return chosen
            chosen &= used

    def _rank(self, chosen: int) -> tuple[float, int, int]:
        return (round(self.objective(chosen), 6), self.size(chosen), chosen)

    def _report_progress(self, step: str, share: float) -> None:
        if self.progress:
            self.progress(step, share)
