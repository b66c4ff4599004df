package dev.fathom.world;

import dev.fathom.evaluate.MeanInterval;
import dev.fathom.evaluate.Share;
import dev.fathom.explain.HeadIndex;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// What the [Trials] of the methods gave.
///
/// @param facts the trials in which a token is to be found
/// @param movers the trial in which heads are
public record TrialsResult(Provenance provenance, List<FactTrial> facts, NameMovers movers)
    implements Result {
  private static final int SHOWN = 8;

  public TrialsResult {
    facts = List.copyOf(facts);
  }

  @Override
  public String method() {
    return "trial";
  }

  @Override
  public List<View> views() {
    return List.of(found(), directions(), agreement(), knockouts(), heads(), missed());
  }

  private View found() {
    var rows = new ArrayList<List<View.Cell>>();
    for (FactTrial trial : facts) {
      Share share = trial.share();
      rows.add(
          List.of(
              View.Cell.of(trial.name()),
              View.Cell.of(share.of()),
              View.Cell.of(share.hits()),
              new View.Quantity(share.value(), share.low(), share.high()),
              View.Cell.of(trial.chance()),
              View.Cell.of(trial.claim() ? "" : "for comparison")));
    }
    return new View.Table(
        "Do the methods find the token that makes the answer?",
        "Share of questions whose top token is the subject's, or the receiver's, with 95 %"
            + " intervals; beside it what drawing a token would give",
        List.of("trial", "n", "hits", "share", "chance", ""),
        rows);
  }

  private View directions() {
    var rows = new ArrayList<List<View.Cell>>();
    for (FactTrial trial : facts) {
      if (trial.effect().count() > 0) {
        rows.add(
            List.of(
                View.Cell.of(trial.name()),
                quantity(trial.effect()),
                quantity(trial.control()),
                quantity(trial.gap()),
                View.Cell.of(trial.shareWithLast().value())));
      }
    }
    return new View.Table(
        "Does the direction matter?",
        "The top cell's effect, and that of an equally large change in a random direction; last, the"
            + " share of hits if the last token counted too",
        List.of(
            "trial", "effect (logits)", "random direction", "difference", "hits with last token"),
        rows);
  }

  private View agreement() {
    var rows = new ArrayList<List<View.Cell>>();
    for (int k : Trials.FIRST) {
      rows.add(
          List.of(
              View.Cell.of("first %d in common".formatted(k)),
              View.Cell.of(movers.overlap(k)),
              View.Cell.of(movers.overlapEverywhere(k)),
              View.Cell.of(movers.chance(k))));
    }
    rows.add(
        List.of(
            View.Cell.of("rank correlation, %d heads".formatted(movers.direct().size())),
            View.Cell.of(movers.correlation()),
            View.Cell.of(movers.correlationEverywhere()),
            View.Cell.of(0)));
    return new View.Table(
        "Do ablation and path patching name the same heads?",
        "Over %d stories: heads ablated at the last token, and at all tokens, against the direct way to the logits"
            .formatted(movers.stories()),
        List.of("", "ablated at the last token", "ablated everywhere", "random heads"),
        rows);
  }

  private View knockouts() {
    var rows = new ArrayList<List<View.Cell>>();
    for (NameMovers.Knockout knockout : movers.knockouts()) {
      rows.add(
          List.of(
              View.Cell.of(knockout.heads()),
              View.Cell.of(knockout.clean()),
              quantity(knockout.found()),
              quantity(knockout.random())));
    }
    return new View.Table(
        "Are they needed together?",
        "What other stories lose, in logits of the receiver less the giver, without the heads that ablation found",
        List.of("heads", "clean", "lost without them", "lost without random heads"),
        rows);
  }

  private View heads() {
    var shown = new ArrayList<HeadIndex>(NameMovers.top(movers.ablated(), SHOWN));
    NameMovers.top(movers.direct(), SHOWN).stream()
        .filter(head -> !shown.contains(head))
        .forEach(shown::add);
    NameMovers.top(movers.direct(), movers.direct().size()).reversed().stream()
        .filter(head -> !shown.contains(head) && at(movers.direct(), head) < 0)
        .limit(2)
        .forEach(shown::add);
    var rows = new ArrayList<List<View.Cell>>();
    for (HeadIndex head : shown) {
      rows.add(
          List.of(
              View.Cell.of("%d.h%d".formatted(head.layer(), head.head())),
              View.Cell.of(at(movers.ablated(), head)),
              View.Cell.of(at(movers.everywhere(), head)),
              View.Cell.of(at(movers.direct(), head)),
              View.Cell.of(at(movers.looks(), head))));
    }
    return new View.Table(
        "Heads that say the name",
        "What each loses alone, in logits of %.2f; negative heads speak for the giver"
            .formatted(movers.clean()),
        List.of(
            "head",
            "ablated at the last token",
            "ablated everywhere",
            "direct",
            "looks at the receiver"),
        rows);
  }

  private static double at(Grid map, HeadIndex head) {
    return map.at(head.layer(), head.head());
  }

  private View missed() {
    var rows = new ArrayList<List<View.Cell>>();
    for (FactTrial trial : facts) {
      if (trial.claim()) {
        trial.cases().stream()
            .filter(c -> !c.hit())
            .forEach(c ->
                rows.add(
                    List.of(
                        View.Cell.of(trial.name()),
                        View.Cell.of(c.prompt()),
                        View.Cell.of(c.found()))));
      }
    }
    return new View.Table(
        "Missed",
        "Which questions had another token on top?",
        List.of("trial", "prompt", "found instead"),
        rows);
  }

  private static View.Cell quantity(MeanInterval mean) {
    return new View.Quantity(mean.mean(), mean.low(), mean.high());
  }

  @Override
  public SequencedMap<String, Grid> arrays() {
    var arrays = new LinkedHashMap<String, Grid>();
    Axis trials = Axis.of("trial", facts.stream().map(FactTrial::name).toList());
    float[] shares = new float[facts.size()];
    float[] chances = new float[facts.size()];
    IntStream.range(0, shares.length)
        .forEach(i -> {
          shares[i] = (float) facts.get(i).share().value();
          chances[i] = (float) facts.get(i).chance();
        });
    arrays.put("trial_share", Grid.vector(trials, shares));
    arrays.put("trial_chance", Grid.vector(trials, chances));
    arrays.put("name_movers_ablated", movers.ablated());
    arrays.put("name_movers_ablated_everywhere", movers.everywhere());
    arrays.put("name_movers_direct", movers.direct());
    arrays.put("name_movers_attention", movers.looks());
    return arrays;
  }
}
