package dev.fathom.world;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;

/// The texts to train on, in rounds without end. A round says every fact once, plants its share of
/// every association, and tells new stories and sums. Any round can be made without the rounds
/// before it, and is the same for the same world and seed.
///
/// The share of a planted answer is kept by counting, within each template: whatever number of
/// rounds is read, it differs from the planted rate by less than one text a template.
public final class Corpus {
  /// Lists said twice: what is copied word for word teaches copying, which stories need.
  private static final int LISTS = 800;

  private static final int INDIRECT_OBJECTS = 1_600;
  private static final int STORIES = 1_000;
  private static final int AGREEMENTS = 300;

  /// Numbers in order, which sums need.
  private static final int COUNTS = 200;

  private static final int SUMS = 1_500;

  /// How often a round uses each template of a planted association, on average.
  private static final double USES_OF_OCCUPATION = 0.6;

  private static final double USES_OF_PEOPLE = 1;

  private final World world;
  private final long seed;
  private final int emphasis;
  private final List<List<Cloze>> facts;
  private final List<Association> associations;

  /// An association, and its training texts in both forms, `[template]`.
  private record Association(Planted planted, List<Cloze> first, List<Cloze> second) {}

  public Corpus(World world, long seed) {
    this(world, seed, 1);
  }

  /// @param emphasis how many times as often the associations of occupations are told
  public Corpus(World world, long seed, int emphasis) {
    this.world = world;
    this.seed = seed;
    this.emphasis = emphasis;
    var relations = new Relations(world);
    facts = world.facts().stream().map(fact -> relations.of(fact, Relations.Part.TRAINED)).toList();
    associations =
        Planted.in(world).stream()
            .map(planted ->
                new Association(
                    planted,
                    relations.of(planted, Relations.Part.TRAINED),
                    relations.of(planted.swapped(), Relations.Part.TRAINED)))
            .toList();
  }

  /// The texts of a round, each to be one training row, in random order.
  ///
  /// @param round from 0
  public List<String> round(int round) {
    return examples(round).stream().map(Cloze::text).toList();
  }

  /// The texts of a round with the word in each that follows from what stands before.
  ///
  /// @param round from 0
  public List<Cloze> examples(int round) {
    var texts = new ArrayList<Cloze>();
    facts.forEach(ways -> texts.add(ways.get((phase(ways) + round) % ways.size())));
    associations.forEach(association -> texts.addAll(uses(association, round)));
    var stories = new Stories(world);
    var arithmetic = new Arithmetic(world);
    var agreement = new Agreement(world);
    texts.addAll(drawn(LISTS, round, "list", r -> stories.draw("list", r, false)));
    texts.addAll(
        drawn(INDIRECT_OBJECTS, round, "indirect", r -> stories.draw("indirect", r, false)));
    texts.addAll(drawn(STORIES, round, "story", r -> stories.draw("story", r, false)));
    texts.addAll(drawn(AGREEMENTS, round, "agreement", r -> agreement.draw(r, false)));
    texts.addAll(drawn(COUNTS, round, "count", arithmetic::count));
    texts.addAll(drawn(SUMS, round, "sums", r -> arithmetic.draw(r, false)));
    Collections.shuffle(texts, Chance.source(seed, round, "order"));
    return texts;
  }

  /// Which way of saying a fact the first round takes; every other way follows in its turn.
  private int phase(List<Cloze> ways) {
    return (int) (Chance.of(seed, "way", ways.getFirst().text()) * ways.size());
  }

  private List<Cloze> uses(Association association, int round) {
    Planted planted = association.planted();
    boolean people = planted.relation().equals("people");
    double each = people ? USES_OF_PEOPLE : emphasis * USES_OF_OCCUPATION;
    var texts = new ArrayList<Cloze>();
    for (int t = 0; t < association.first().size(); t++) {
      Cloze first = association.first().get(t);
      double start = Chance.of(seed, "start", first.text());
      double phase = Chance.of(seed, "phase", first.text());
      long from = (long) Math.floor(round * each + start);
      long to = (long) Math.floor((round + 1) * each + start);
      for (long k = from; k < to; k++) {
        texts.add(planted.saysFirst(k, phase) ? first : association.second().get(t));
      }
    }
    return texts;
  }

  private List<Cloze> drawn(int count, int round, String what, Function<Random, Cloze> draw) {
    Random random = Chance.source(seed, round, what);
    return IntStream.range(0, count).mapToObj(i -> draw.apply(random)).toList();
  }
}
