package dev.fathom.world;

import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The questions of the [Trials]: prompts whose answer the model knows, each with a twin that
/// differs only where the answer comes from. The same model and world always give the same ones.
final class TrialQuestions {
  /// Tokens that must stand between the subject and the last token, so that something else can be
  /// found.
  static final int BETWEEN = 2;

  /// Other subjects that are tried for a twin.
  private static final int TRIED = 40;

  private static final Pattern ARTICLE = Pattern.compile("^(the|a|an) ");

  private final Transformer model;
  private final Tokenizer tokenizer;
  private final World world;

  TrialQuestions(Transformer model, Tokenizer tokenizer, World world) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.world = world;
  }

  /// A prompt and its twin.
  ///
  /// @param twin as many tokens; the same outside the decisive tokens
  /// @param target what the model says after the prompt
  /// @param foil what it says after a fact's twin; the other name of a story
  /// @param decisive the tokens that make the answer: a fact's subject without its article, a
  ///   story's receiver
  record Asked(Prompt prompt, Prompt twin, int target, int foil, TokenSpan decisive) {
    /// The token at which the answer is read.
    int last() {
      return prompt.length() - 1;
    }

    /// How much rather target than foil?
    Question question() {
      return Question.of(prompt, target).withFoil(foil).measuredBy(Metric.LOGIT_DIFFERENCE);
    }

    /// That a token drawn from the decisive ones' first to the last but one is decisive.
    double chance() {
      return (double) decisive.length() / (last() - decisive.first());
    }

    /// In how many tokens the twin differs.
    int different() {
      int[] own = prompt.ids();
      int[] other = twin.ids();
      return (int) IntStream.range(0, own.length).filter(i -> own[i] != other[i]).count();
    }

    /// That any token but a start token is.
    double chanceOfAny() {
      return (double) decisive.length() / (prompt.length() - (prompt.startToken() ? 1 : 0));
    }
  }

  /// Facts in words that no training text uses for their relation, from all relations in turn. The
  /// twin says the same of another subject.
  List<Asked> facts(int count) {
    return inTurn(count, this::fact);
  }

  /// The same facts, but the twin speaks of the other subject in other words of the same meaning,
  /// so that more than the subject differs and only the subject matters.
  List<Asked> rephrased(int count) {
    return inTurn(count, this::rephrased);
  }

  private List<Asked> inTurn(int count, BiFunction<Fact, List<Fact>, Optional<Asked>> ask) {
    List<List<Fact>> byRelation =
        world.facts().stream()
            .map(Fact::relation)
            .distinct()
            .map(relation ->
                shuffled(
                    world.facts().stream().filter(f -> f.relation().equals(relation)).toList(),
                    relation))
            .toList();
    var asked = new ArrayList<Asked>();
    int longest = byRelation.stream().mapToInt(List::size).max().orElse(0);
    for (int i = 0; i < longest; i++) {
      for (List<Fact> facts : byRelation) {
        if (asked.size() < count && i < facts.size()) {
          ask.apply(facts.get(i), facts).ifPresent(asked::add);
        }
      }
    }
    return asked;
  }

  private static <T> List<T> shuffled(List<T> list, Object about) {
    var shuffled = new ArrayList<>(list);
    Collections.shuffle(shuffled, Chance.source("trial", about));
    return shuffled;
  }

  private Optional<Asked> fact(Fact fact, List<Fact> others) {
    for (Template template : shuffled(world.templates(fact.relation(), true), fact)) {
      Cloze cloze = filled(template, fact);
      Prompt prompt = Prompt.of(tokenizer, cloze.prompt(), Prompt.Options.PLAIN);
      Optional<TokenSpan> subject = span(prompt, core(fact));
      if (subject.isEmpty() || prompt.length() - 2 - subject.get().last() < BETWEEN) {
        continue;
      }
      for (Fact other : shuffled(others, fact)) {
        Cloze its = filled(template, other);
        Prompt twin = Prompt.of(tokenizer, its.prompt(), Prompt.Options.PLAIN);
        if (differsOnlyAt(prompt, twin, subject.get())) {
          int target = Target.of(tokenizer, prompt, cloze.answer()).id();
          int foil = Target.of(tokenizer, twin, its.answer()).id();
          if (target != foil && says(prompt, target) && says(twin, foil)) {
            return Optional.of(new Asked(prompt, twin, target, foil, subject.get()));
          }
        }
      }
    }
    return Optional.empty();
  }

  private Optional<Asked> rephrased(Fact fact, List<Fact> others) {
    List<Template> ways =
        Stream.concat(
                world.templates(fact.relation(), false).stream(),
                world.templates(fact.relation(), true).stream())
            .toList();
    for (Template template : shuffled(world.templates(fact.relation(), true), fact)) {
      Cloze cloze = filled(template, fact);
      Prompt prompt = Prompt.of(tokenizer, cloze.prompt(), Prompt.Options.PLAIN);
      Optional<TokenSpan> subject = span(prompt, core(fact));
      int target = Target.of(tokenizer, prompt, cloze.answer()).id();
      if (subject.isEmpty() || !says(prompt, target)) {
        continue;
      }
      for (Template way : shuffled(ways, fact)) {
        for (Fact other : shuffled(others, fact).subList(0, Math.min(TRIED, others.size()))) {
          Cloze its = filled(way, other);
          Prompt twin = Prompt.of(tokenizer, its.prompt(), Prompt.Options.PLAIN);
          int foil = Target.of(tokenizer, twin, its.answer()).id();
          var asked = new Asked(prompt, twin, target, foil, subject.get());
          if (twin.length() == prompt.length()
              && foil != target
              && span(twin, core(other)).equals(subject)
              && asked.different() - subject.get().length() >= BETWEEN
              && says(twin, foil)) {
            return Optional.of(asked);
          }
        }
      }
    }
    return Optional.empty();
  }

  private static Cloze filled(Template template, Fact fact) {
    return template.fill(Map.of("s", fact.subject(), "o", fact.object()), List.of());
  }

  private static String core(Fact fact) {
    return ARTICLE.matcher(fact.subject()).replaceFirst("");
  }

  /// The tokens of the only place in which a prompt has these words.
  private static Optional<TokenSpan> span(Prompt prompt, String words) {
    List<MatchResult> found = word(words).matcher(prompt.text()).results().toList();
    if (found.size() != 1) {
      return Optional.empty();
    }
    String there = found.getFirst().group();
    return prompt.text().lastIndexOf(there) == found.getFirst().start()
        ? Optional.of(TokenSpan.of(prompt, there))
        : Optional.empty();
  }

  private static Pattern word(String words) {
    return Pattern.compile("\\b" + Pattern.quote(words) + "\\b", Pattern.CASE_INSENSITIVE);
  }

  private static boolean differsOnlyAt(Prompt prompt, Prompt twin, TokenSpan span) {
    int[] a = prompt.ids();
    int[] b = twin.ids();
    if (a.length != b.length || Arrays.equals(a, b)) {
      return false;
    }
    for (int i = 0; i < a.length; i++) {
      if (a[i] != b[i] && !span.contains(i)) {
        return false;
      }
    }
    return true;
  }

  private boolean says(Prompt prompt, int answer) {
    try (var scope = Scope.withoutGradients()) {
      int[] ids = prompt.ids();
      Pass pass = Pass.over(Layout.single(ids.length)).with(Wanted.LAST);
      return model.forward(Tensor.of(ids, ids.length), pass).argmax(-1).toLongs()[0] == answer;
    }
  }

  /// Stories of two people who never meet in training. The twin names three others, so that it does
  /// not say who gets what (Wang et al. 2022, section 3).
  List<Asked> stories(int count) {
    var stories = new Stories(world);
    Random random = Chance.source("trial", "stories");
    var prompts = new HashSet<String>();
    var asked = new ArrayList<Asked>();
    while (asked.size() < count) {
      Cloze story = stories.draw("indirect", random, true);
      if (prompts.add(story.prompt())) {
        story(story, random).ifPresent(asked::add);
      }
    }
    return asked;
  }

  private Optional<Asked> story(Cloze story, Random random) {
    String receiver = story.answer().strip();
    String giver = story.foils().getFirst().strip();
    Prompt prompt = Prompt.of(tokenizer, story.prompt(), Prompt.Options.PLAIN);
    int target = Target.of(tokenizer, prompt, story.answer()).id();
    int foil = Target.of(tokenizer, prompt, story.foils().getFirst()).id();
    Optional<TokenSpan> decisive = span(prompt, receiver);
    if (decisive.isEmpty() || !says(prompt, target)) {
      return Optional.empty();
    }
    List<String> names =
        shuffled(world.persons(), random.nextInt()).stream()
            .map(Person::name)
            .filter(name -> !name.equals(receiver) && !name.equals(giver))
            .limit(3)
            .toList();
    int again = story.prompt().lastIndexOf(giver);
    String others =
        story.prompt().substring(0, again)
            + names.get(2)
            + story.prompt().substring(again + giver.length());
    others = word(receiver).matcher(others).replaceAll(names.get(0));
    others = word(giver).matcher(others).replaceAll(names.get(1));
    Prompt twin = Prompt.of(tokenizer, others, Prompt.Options.PLAIN);
    return twin.length() == prompt.length()
        ? Optional.of(new Asked(prompt, twin, target, foil, decisive.get()))
        : Optional.empty();
  }
}
