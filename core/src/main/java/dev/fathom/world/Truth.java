package dev.fathom.world;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.function.Function;

/// What a model that learned the world should say: sets of questions with one right answer, and the
/// planted associations with their rates.
public final class Truth {
  /// A set of questions. In all but the first the prompts are held out of training.
  public enum Check {
    /// Every fact in one of the ways in which training texts say it.
    TRAINED_FACTS("trained facts", 0.99),
    /// Every fact in words that no training text uses for its relation.
    HELD_OUT_PARAPHRASES("facts in unseen words", 0.95),
    /// Facts in a way in which training texts say others, but never this one.
    HELD_OUT_PAIRS("facts in unseen pairs of subject and wording", 0.85),
    /// Who was given something, of two people who never meet in training.
    INDIRECT_OBJECT("indirect object, unseen pairs of names", 0.98),
    /// The form of a verb, after two nouns that never stand together in training.
    AGREEMENT("agreement, unseen pairs of nouns", 0.98),
    /// Calculations that the training texts never have in these words.
    ARITHMETIC("arithmetic, unseen in these words", 0.9),
    /// The end of a linked story about two people who never meet in training.
    STORIES("linked stories", 0),
    /// The thesis' prompts.
    THESIS("the thesis' prompts", 0);

    private final String title;
    private final double aim;

    Check(String title, double aim) {
      this.title = title;
      this.aim = aim;
    }

    /// For tables.
    public String title() {
      return title;
    }

    /// The share of right answers that the bundled models must reach; 0 for none.
    public double aim() {
      return aim;
    }

    /// Its name in files: `trained_facts`.
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /// A planted association and the prompts that ask for it.
  ///
  /// @param planted what the training texts say, and how often
  /// @param prompts of the templates that its training texts use; the answer is the planted first
  ///   one, the only foil the second
  /// @param paraphrases the same of templates that no training text uses
  public record Rate(Planted planted, List<Cloze> prompts, List<Cloze> paraphrases) {
    public Rate {
      prompts = List.copyOf(prompts);
      paraphrases = List.copyOf(paraphrases);
    }
  }

  private static final int DRAWN = 500;

  private final Map<Check, List<Cloze>> questions;
  private final List<Rate> rates;

  private Truth(Map<Check, List<Cloze>> questions, List<Rate> rates) {
    this.questions = questions;
    this.rates = List.copyOf(rates);
  }

  /// The truth of a world. It is the same for every seed of a corpus.
  public static Truth of(World world) {
    var relations = new Relations(world);
    var stories = new Stories(world);
    var arithmetic = new Arithmetic(world);
    var agreement = new Agreement(world);
    var questions = new EnumMap<Check, List<Cloze>>(Check.class);
    questions.put(Check.TRAINED_FACTS, facts(world, relations, Relations.Part.TRAINED));
    questions.put(
        Check.HELD_OUT_PARAPHRASES, facts(world, relations, Relations.Part.HELD_OUT_PARAPHRASES));
    questions.put(Check.HELD_OUT_PAIRS, facts(world, relations, Relations.Part.HELD_OUT_PAIRS));
    questions.put(Check.INDIRECT_OBJECT, drawn("indirect", r -> stories.draw("indirect", r, true)));
    questions.put(Check.AGREEMENT, drawn("agreement", r -> agreement.draw(r, true)));
    questions.put(Check.ARITHMETIC, drawn("sums", r -> arithmetic.draw(r, true)));
    questions.put(Check.STORIES, drawn("story", r -> stories.draw("story", r, true)));
    questions.put(
        Check.THESIS,
        Arrays.stream(World.Thesis.values())
            .map(thesis -> new Cloze(thesis.prompt(), thesis.answer(), List.of(thesis.foil()), "."))
            .toList());
    List<Rate> rates =
        Planted.in(world).stream()
            .map(planted ->
                new Rate(
                    planted,
                    relations.of(planted, Relations.Part.TRAINED),
                    relations.of(planted, Relations.Part.HELD_OUT_PARAPHRASES)))
            .toList();
    return new Truth(questions, rates);
  }

  /// One question a fact, where this part has any.
  private static List<Cloze> facts(World world, Relations relations, Relations.Part part) {
    var questions = new ArrayList<Cloze>();
    for (Fact fact : world.facts()) {
      List<Cloze> ways = relations.of(fact, part);
      if (!ways.isEmpty()) {
        questions.add(Chance.pick(Chance.source("question", part, fact), ways));
      }
    }
    return questions;
  }

  private static List<Cloze> drawn(String what, Function<Random, Cloze> draw) {
    Random random = Chance.source("question", what);
    SequencedMap<String, Cloze> questions = new LinkedHashMap<>();
    while (questions.size() < DRAWN) {
      Cloze question = draw.apply(random);
      questions.put(question.prompt(), question);
    }
    return List.copyOf(questions.values());
  }

  /// The questions of a set.
  public List<Cloze> questions(Check check) {
    return questions.getOrDefault(check, List.of());
  }

  /// The planted associations: `occupation`, `pronoun`, `possessive` and `people`.
  public List<Rate> rates() {
    return rates;
  }
}
