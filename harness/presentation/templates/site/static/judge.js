// What rows amount to beside each other, by the rules of harness compare: harness/analysis/regression.py for speed,
// memory and scores, harness/analysis/causes.py for what differs around them. No page is touched here.
//
// A side is a list of rows that are the same thing run again; of a row, `rate` is of sequences per second.
"use strict";
window.harnessSite = window.harnessSite || {};

(() => {
  const { slack_mib: SLACK_MIB, share_of_learned: SHARE_OF_LEARNED } = harnessSite.law;
  const FEWEST_SEEDS = 3, LARGEST_LOG = 700;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  function variance(values) {
    const middle = mean(values);
    return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  }

  function median(values) {
    const ordered = [...values].sort((a, b) => a - b), half = ordered.length >> 1;
    return ordered.length % 2 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
  }

  // -- Student's distribution ------------------------------------------------------------------------
  /** The logarithm of the gamma function (Lanczos, as in Numerical Recipes, 3rd edition, 6.1). */
  function logGamma(x) {
    const terms = [
      57.1562356658629235, -59.5979603554754912, 14.1360979747417471, -0.491913816097620199, 0.339946499848118887e-4,
      0.465236289270485756e-4, -0.983744753048795646e-4, 0.158088703224912494e-3, -0.210264441724104883e-3,
      0.217439618115212643e-3, -0.164318106536763890e-3, 0.844182239838527433e-4, -0.261908384015814087e-4,
      0.368991826595316234e-5,
    ];
    const sum = terms.reduce((total, term, place) => total + term / (x + place + 1), 0.999999999999997092);
    const t = x + 5.24218750000000000;
    return (x + 0.5) * Math.log(t) - t + Math.log(2.5066282746310005 * sum / x);
  }

  /** The continued fraction of the incomplete beta function (Lentz, as in Numerical Recipes, 6.4). */
  function fraction(x, a, b) {
    const tiny = 1e-300, safe = (value) => (Math.abs(value) < tiny ? tiny : value);
    let c = 1, d = 1 / safe(1 - (a + b) * x / (a + 1)), found = d;
    for (let m = 1; m < 10_000; m++) {
      for (const term of [
        m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
        -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
      ]) {
        d = 1 / safe(1 + term * d);
        c = safe(1 + term / c);
        found *= d * c;
      }
      if (Math.abs(d * c - 1) < 1e-15) break;
    }
    return found;
  }

  /** The regularised incomplete beta function. */
  function beta(x, a, b) {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * fraction(x, a, b) / a : 1 - front * fraction(1 - x, b, a) / b;
  }

  /** Beyond which 2.5 % of Student's distribution lie; `freedom` need not be whole. */
  function quantile(freedom) {
    const beyond = (t) => beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
    let low = 0, high = 2;
    while (beyond(high) > 0.025) high *= 2;
    for (let turn = 0; turn < 80; turn++) {
      const middle = (low + high) / 2;
      if (beyond(middle) > 0.025) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  // -- two sides -------------------------------------------------------------------------------------
  /** The mean of b less the mean of a with Welch's 95 % interval. */
  function welch(a, b) {
    const difference = mean(b) - mean(a);
    const [ofA, ofB] = [variance(a) / a.length, variance(b) / b.length], both = ofA + ofB;
    if (!both) return { value: difference, low: difference, high: difference };
    const freedom = 1 / ((ofA / both) ** 2 / (a.length - 1) + (ofB / both) ** 2 / (b.length - 1));
    const half = quantile(freedom) * Math.sqrt(both);
    return { value: difference, low: difference - half, high: difference + half };
  }

  /** The same of the ratio b over a, over logarithms. */
  function welchRatio(a, b) {
    const { value, low, high } = welch(a.map(Math.log), b.map(Math.log));
    return { value: Math.exp(value), low: Math.exp(low), high: Math.exp(Math.min(high, LARGEST_LOG)) };
  }

  /** Why nothing of two sides may be compared; null where it may. */
  function otherTask(then, now) {
    if (then[0].task !== now[0].task) return `of different tasks: ${then[0].task}, and ${now[0].task}`;
    const data = new Map(then.filter((row) => row.data).map((row) => [row.drawn, row.data]));
    const other = now.find((row) => row.data && data.has(row.drawn) && data.get(row.drawn) !== row.data);
    return other ? `the data differs (SHA-256 ${other.data.slice(0, 12)}…, and ${data.get(other.drawn).slice(0, 12)}…)` : null;
  }

  /** Why speed and memory of two sides may not be compared; null where they may. */
  function otherMachine(then, now) {
    for (const row of now) {
      for (const [place, [what, value]] of row.kind.entries()) {
        const known = then[0].kind[place][1];
        if (value !== known) return `another ${what}: ${value ?? "none"}, and ${known ?? "none"}`;
      }
    }
    return null;
  }

  const not = (why) => ({ state: "not judged", why });

  /** What two sides take, quantity by quantity, is worse, better or the same where all of its interval says so. */
  function grown({ value, low, high }, what) {
    return { state: low > 1 ? "worse" : high < 1 ? "better" : "same", value, low, high, what };
  }

  /** Seconds per sequence of `now` over those of `then`; of one contest, turn by turn. */
  function time(then, now) {
    const why = otherTask(then, now) || otherMachine(then, now);
    if (why) return not(why);
    const paired = then.length === 1 && now.length === 1 && now[0].ratios[then[0].key];
    if (paired) {
      if (paired.low === null) return not(`${paired.pairs} turns together are too few`);
      return grown({ value: 1 / paired.median, low: 1 / paired.high, high: 1 / paired.low }, "95 % interval, turn by turn");
    }
    const without = [...then, ...now].find((row) => !row.rate);
    if (without) return not(without.why || "too few blocks");
    const [slow, fast] = [then, now].map((side) => side.map((row) => row.rate));
    if (Math.min(slow.length, fast.length) >= 2) {
      return grown(welchRatio(slow.map((rate) => 1 / rate.median), fast.map((rate) => 1 / rate.median)), "95 % interval");
    }
    const all = (rates, name) => rates.map((rate) => rate[name]);
    return grown({
      value: median(all(slow, "median")) / median(all(fast, "median")),
      low: Math.min(...all(slow, "p10")) / Math.max(...all(fast, "p90")),
      high: Math.max(...all(slow, "p90")) / Math.min(...all(fast, "p10")),
    }, "range of blocks");
  }

  /** Growth of memory on the host, `now` over `then`. */
  function memory(then, now) {
    const why = otherTask(then, now) || otherMachine(then, now);
    if (why) return not(why);
    const [old, recent] = [then, now].map((side) => side.map((row) => row.growth));
    if ([...old, ...recent].some((growth) => growth === null)) return not("not measured");
    const [a, b] = [median(old), median(recent)];
    if (Math.abs(a - b) <= SLACK_MIB || !a || !b) return { state: "same" };
    if (Math.min(old.length, recent.length) >= 2 && Math.min(...old, ...recent) > 0) return grown(welchRatio(old, recent), "95 % interval");
    return not("too few runs");
  }

  /** By how much one more score may differ from those of a side. */
  function allowed(then) {
    const scores = then.map((row) => row.score.value), n = scores.length;
    if (n >= FEWEST_SEEDS) return quantile(n - 1) * Math.sqrt(variance(scores)) * Math.sqrt(1 + 1 / n);
    return SHARE_OF_LEARNED * Math.abs((then[0].score.baseline ?? 0) - then[0].score.value);
  }

  /** The score: whether `now` learned less (worse), more (better), or as much, as far as can be told. */
  function score(then, now) {
    const why = otherTask(then, now);
    if (why) return not(why);
    const without = [...then, ...now].find((row) => !row.score);
    if (without) return not(without.why || "it has no score");
    const [old, recent] = [then, now].map((side) => side.map((row) => row.score.value));
    const solved = (side) => side.filter((row) => row.score.solved).length;
    if (solved(then) === then.length && !solved(now)) return { state: "worse" };
    const sign = then[0].score.higher ? 1 : -1;
    let low, high, tolerated = 0;
    if (Math.min(old.length, recent.length) >= 2) {
      const found = welch(old, recent);
      [low, high] = [sign * found.low, sign * found.high].sort((a, b) => a - b);
    } else {
      low = high = sign * (mean(recent) - mean(old));
      tolerated = allowed(then);
    }
    return { state: high < -tolerated ? "worse" : low > tolerated ? "better" : "same" };
  }

  // -- what differs ----------------------------------------------------------------------------------
  const same = (values) => values.every((value) => JSON.stringify(value) === JSON.stringify(values[0]));

  /** Fields of the specs that not all rows have alike: [name, value of each row]. */
  function specs(rows) {
    const fields = rows.map((row) => new Map(row.spec));
    const names = new Set(fields.flatMap((each) => [...each.keys()]));
    return [...names].map((name) => [name, fields.map((each) => each.get(name) ?? "none")]).filter(([, values]) => !same(values));
  }

  /** Traits that not all rows have alike, the likeliest cause of a difference first: [name, value of each row]. */
  function apart(rows) {
    const traits = rows.map((row) => new Map(row.traits.map(([rank, what, value, needs, unless]) => [what, { rank, what, value, needs, unless }])));
    const knows = (each, kind) => [...each.values()].some((trait) => trait.needs === kind && trait.value !== null);
    const all = new Map();
    for (const each of traits) for (const trait of each.values()) {
      if (!all.has(trait.what) || trait.rank < all.get(trait.what).rank) all.set(trait.what, trait);
    }
    const ordered = [...all.values()].sort((a, b) => a.rank - b.rank || (a.what < b.what ? -1 : 1));
    return ordered.map(({ what, needs, unless }) => {
      const counted = needs ? traits.filter((each) => knows(each, needs)) : traits;
      if (counted.length < 2 || (unless && traits.every((each) => knows(each, unless)))) return null;
      const value = (each) => each.get(what)?.value ?? null;
      if (same(counted.map(value))) return null;
      const lists = counted.map(value).filter(Array.isArray);
      const shared = lists.length === counted.length ? lists[0].filter((one) => lists.every((list) => list.includes(one))) : [];
      return [what, traits.map((each) => {
        const found = value(each);
        return Array.isArray(found) ? found.filter((one) => !shared.includes(one)) : found;
      })];
    }).filter(Boolean);
  }

  /** Rows by the side that they are on, in their order; where all are the same thing, each is a side of its own. */
  function sides(rows) {
    const found = Map.groupBy ? Map.groupBy(rows, (row) => row.side) : rows.reduce((map, row) => map.set(row.side, [...(map.get(row.side) || []), row]), new Map());
    return found.size > 1 ? [...found.values()] : rows.map((row) => [row]);
  }

  harnessSite.judge = { otherTask, time, memory, score, specs, apart, sides, quantile, median, mean };
})();
