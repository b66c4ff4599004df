package dev.fathom.align.study;

import dev.fathom.align.Method;
import dev.fathom.align.balance.Balance;
import dev.fathom.align.baseline.Bns;
import dev.fathom.align.baseline.Cda;
import dev.fathom.align.baseline.DropoutTuning;
import dev.fathom.align.baseline.Ethos;
import dev.fathom.align.baseline.Inlp;
import dev.fathom.align.baseline.SelfDebias;
import dev.fathom.align.baseline.SentenceDebias;
import dev.fathom.align.baseline.Subtraction;
import dev.fathom.align.lope.Lope;
import dev.fathom.align.lope.PairErasure;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// The methods by name, each with the settings it is tried with: at most eight.
public final class Roster {
  private Roster() {}

  /// All, in the order of tables.
  public static SequencedMap<String, Entrant> all() {
    var all = new LinkedHashMap<String, Entrant>();
    Lope.presets().forEach(preset -> add(all, preset.name(), List.of(preset)));
    add(all, Lope.standard().name(), Lope.grid()); // in its place among the presets
    add(all, "lope-random", Lope.grid().stream().map(Lope::atRandom).toList());
    add(all, "subtraction", Subtraction.grid());
    add(all, "inlp", Inlp.grid());
    add(all, "bns", Bns.grid());
    add(all, "ethos", Ethos.grid());
    add(all, "sentence-debias", SentenceDebias.grid());
    add(all, "self-debias", SelfDebias.grid());
    add(all, "cda", Cda.grid());
    add(all, "dropout", DropoutTuning.grid());
    add(all, "balance", List.of(Balance.standard()));
    add(all, "balance-random", List.of(Balance.standard().atRandom()));
    List<PairErasure> pairs = PairErasure.grid();
    add(all, "pairs", pairs);
    add(all, AlignmentTable.CONTROL, pairs.stream().map(PairErasure::atRandom).toList());
    return all;
  }

  private static void add(
      SequencedMap<String, Entrant> all, String name, List<? extends Method> settings) {
    all.put(name, new Entrant(name, List.copyOf(settings)));
  }

  /// The entrants of some names, each once.
  ///
  /// @throws IllegalArgumentException naming those there are, if there is none of a name
  public static List<Entrant> named(List<String> names) {
    SequencedMap<String, Entrant> all = all();
    return names.stream()
        .distinct()
        .map(name -> {
          Entrant entrant = all.get(name);
          if (entrant == null) {
            throw new IllegalArgumentException(
                "There is no method '%s': choose from %s."
                    .formatted(name, String.join(", ", all.keySet())));
          }
          return entrant;
        })
        .toList();
  }
}
