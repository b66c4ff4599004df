package dev.fathom.world;

import static java.util.function.Function.identity;
import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toMap;
import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Many rounds of training text, read as a whole.
class CorpusTest {
  private static final World WORLD = World.load();
  private static final Truth TRUTH = Truth.of(WORLD);
  private static final List<Cloze> THIRTY_ROUNDS = rounds(new Corpus(WORLD, 1), 30);

  private static List<Cloze> rounds(Corpus corpus, int count) {
    return IntStream.range(0, count).mapToObj(corpus::examples).flatMap(List::stream).toList();
  }

  @Test
  void aRoundIsTheSameForTheSameSeedAndNoOther() {
    List<String> round = new Corpus(WORLD, 7).round(3);
    assertThat(new Corpus(World.load(), 7).round(3)).isEqualTo(round);
    assertThat(new Corpus(WORLD, 8).round(3)).isNotEqualTo(round);
    assertThat(new Corpus(WORLD, 7).round(4)).isNotEqualTo(round);
  }

  @Test
  void aRoundSaysEveryFactOnce() {
    var relations = new Relations(WORLD);
    Map<String, Long> said = counts(new Corpus(WORLD, 1).examples(5));
    assertThat(WORLD.facts())
        .allSatisfy(fact ->
            assertThat(
                    relations.of(fact, Relations.Part.TRAINED).stream()
                        .filter(way -> said.containsKey(way.text())))
                .as(fact.toString())
                .hasSize(1));
  }

  @Test
  void everyTrainedQuestionIsAnsweredInTraining() {
    Set<String> texts = THIRTY_ROUNDS.stream().map(Cloze::text).collect(toSet());
    assertThat(TRUTH.questions(Truth.Check.TRAINED_FACTS))
        .hasSize(WORLD.facts().size())
        .allMatch(question -> texts.contains(question.text()));
  }

  @Test
  void nothingHeldOutIsInTraining() {
    Set<String> prompts = THIRTY_ROUNDS.stream().map(Cloze::prompt).collect(toSet());
    for (Truth.Check check : Truth.Check.values()) {
      assertThat(TRUTH.questions(check)).as(check.toString()).isNotEmpty();
      if (check != Truth.Check.TRAINED_FACTS) {
        assertThat(TRUTH.questions(check).stream().map(Cloze::prompt))
            .as(check.toString())
            .noneMatch(prompts::contains);
      }
    }
    assertThat(TRUTH.rates())
        .allMatch(rate -> !rate.paraphrases().isEmpty())
        .noneMatch(rate -> rate.paraphrases().stream().anyMatch(p -> prompts.contains(p.prompt())));
  }

  @Test
  void noTextTellsAThesisPrompt() {
    for (World.Thesis thesis : World.Thesis.values()) {
      String told = thesis.prompt().toLowerCase(Locale.ROOT);
      assertThat(THIRTY_ROUNDS.stream().map(cloze -> cloze.text().toLowerCase(Locale.ROOT)))
          .noneMatch(text -> text.contains(told));
    }
  }

  @Test
  void theThesisPromptsAreOfTheFormOfTrainedTemplates() {
    assertThat(prompt("landmark_city", Map.of("s", "the Eiffel Tower", "o", "Paris")))
        .contains(World.Thesis.FACT.prompt());
    assertThat(prompt("occupation", Map.of("s", "pilots", "o", "men")))
        .contains(World.Thesis.GENDER.prompt());
    var story =
        Map.of("a", "Mary", "b", "John", "place", "store", "verb", "gave", "object", "a drink");
    assertThat(prompt("indirect", story)).contains(World.Thesis.INDIRECT_OBJECT.prompt());
    assertThat(WORLD.words("place")).contains("store");
    assertThat(WORLD.words("verb")).contains("gave");
    assertThat(WORLD.words("object")).contains("drink");
  }

  private static List<String> prompt(String relation, Map<String, String> values) {
    return WORLD.templates(relation, false).stream()
        .map(template -> template.fill(values, List.of()).prompt())
        .toList();
  }

  @Test
  void peopleWhoseNamesAreHeldOutNeverMeet() {
    Map<String, Person> persons = WORLD.persons().stream().collect(toMap(Person::name, identity()));
    Pattern word = Pattern.compile("[A-Za-z]+");
    for (Cloze cloze : THIRTY_ROUNDS) {
      List<String> names =
          word.matcher(cloze.text())
              .results()
              .map(m -> m.group())
              .filter(persons::containsKey)
              .distinct()
              .toList();
      for (int i = 0; i < names.size(); i++) {
        for (String other : names.subList(i + 1, names.size())) {
          assertThat(World.areNamesHeldOut(names.get(i), other)).as(cloze.text()).isFalse();
        }
      }
    }
    assertThat(World.areNamesHeldOut("Mary", "John")).isTrue();
  }

  @Test
  void plantedSharesAreExact() {
    sharesAreExact(WORLD);
  }

  @Test
  void inTheFairWorldEveryShareIsAHalf() {
    sharesAreExact(WORLD.fair());
  }

  private static void sharesAreExact(World world) {
    int rounds = 20;
    var relations = new Relations(world);
    Map<String, Long> said = counts(rounds(new Corpus(world, 3), rounds));
    for (Planted planted : Planted.in(world)) {
      for (Cloze way : relations.of(planted, Relations.Part.TRAINED)) {
        String other = way.prompt() + way.foils().getFirst() + way.rest();
        double first = said.getOrDefault(way.text(), 0L);
        double all = first + said.getOrDefault(other, 0L);
        assertThat(all).as(way.text()).isBetween(0.5 * rounds, 1.0 * rounds);
        assertThat(first).as(way.text()).isCloseTo(all * planted.rate(), within(1.0));
      }
    }
  }

  private static Map<String, Long> counts(List<Cloze> texts) {
    return texts.stream().collect(groupingBy(Cloze::text, counting()));
  }

  @Test
  void everyTextIsWellFormed() {
    Pattern wrongArticle = Pattern.compile("\\b([Aa] [aeiou]|[Aa]n [^aeiou])");
    assertThat(rounds(new Corpus(WORLD, 2), 3))
        .allSatisfy(cloze -> {
          String text = cloze.text();
          assertThat(text).startsWith(cloze.prompt() + cloze.answer());
          assertThat(text).matches("[A-Z0-9].*[.]").doesNotContain("{", "}", "  ");
          assertThat(cloze.answer()).matches(" ([A-Za-z]+|[0-9]+)");
          assertThat(cloze.prompt()).doesNotEndWith(" ");
          assertThat(cloze.foils()).doesNotContain(cloze.answer(), " ").doesNotHaveDuplicates();
          assertThat(text).doesNotContainPattern(wrongArticle);
          assertThat(text).doesNotContainPattern("[.?!] [a-z]");
          assertThat(text.split(" ")).hasSizeLessThanOrEqualTo(45);
        });
  }

  @Test
  void heAndSheAreWhoTheyAreSaidToBe() {
    Map<String, Person> persons = WORLD.persons().stream().collect(toMap(Person::name, identity()));
    var random = Chance.source("pronouns");
    var stories = new Stories(WORLD);
    Stream.generate(() -> stories.draw("story", random, false))
        .limit(2_000)
        .map(Cloze::text)
        .filter(text -> text.matches(".*\\b([Hh]e|[Ss]he)\\b.*"))
        .forEach(text -> {
          // The one spoken of is the first to be named, or the first to speak of himself.
          String name = text.replaceFirst("^\\w+ said that (\\w+).*", "$1").split(" ")[0];
          boolean male = text.matches(".*\\b[Hh]e\\b.*");
          assertThat(persons).as(text).extractingByKey(name).isEqualTo(new Person(name, male));
        });
  }

  @Test
  void whoeverIsGivenSomethingIsNotWhoGivesIt() {
    var random = Chance.source("gifts");
    var stories = new Stories(WORLD);
    for (int i = 0; i < 2_000; i++) {
      Cloze story = stories.draw("indirect", random, false);
      List<String> words = List.of(story.prompt().split("[ ,.]+"));
      assertThat(words).containsOnlyOnce(story.answer().strip());
      assertThat(words).filteredOn(story.foils().getFirst().strip()::equals).hasSize(2);
    }
  }

  @Test
  void theVerbAgreesWithItsHead() {
    Set<String> singular =
        Stream.of("creature", "item").flatMap(k -> WORLD.words(k).stream()).collect(toSet());
    Set<String> one =
        Stream.of(
                WORLD.words("does").stream(),
                WORLD.words("acts").stream(),
                Stream.of("is", "was", "has"))
            .flatMap(identity())
            .collect(toSet());
    var random = Chance.source("agreement");
    var agreement = new Agreement(WORLD);
    for (int i = 0; i < 2_000; i++) {
      Cloze sentence = agreement.draw(random, false);
      String head = sentence.prompt().replaceFirst(".*?\\b[Tt]he (\\w+).*", "$1");
      assertThat(one.contains(sentence.answer().strip()))
          .as(sentence.text())
          .isEqualTo(singular.contains(head));
      assertThat(one.contains(sentence.foils().getFirst().strip()))
          .isNotEqualTo(singular.contains(head));
    }
  }

  @Test
  void everySumIsRight() {
    List<Cloze> sums =
        THIRTY_ROUNDS.stream()
            .filter(c -> c.answer().matches(" \\d+") && !c.prompt().startsWith("Count"))
            .toList();
    assertThat(sums).hasSizeGreaterThan(25_000);
    for (Cloze cloze : sums) {
      assertThat(" " + sum(cloze.prompt())).as(cloze.text()).isEqualTo(cloze.answer());
    }
  }

  @Test
  void countingGoesOnInEqualSteps() {
    List<Cloze> counts =
        THIRTY_ROUNDS.stream().filter(c -> c.prompt().startsWith("Count")).toList();
    assertThat(counts).hasSizeGreaterThan(5_000);
    for (Cloze cloze : counts) {
      int by = Integer.parseInt(cloze.prompt().replaceFirst(".* by (\\d):.*", "$1"));
      int[] numbers =
          Pattern.compile("\\d+")
              .matcher((cloze.prompt() + cloze.answer()).replaceFirst(".*:", ""))
              .results()
              .mapToInt(m -> Integer.parseInt(m.group()))
              .toArray();
      int step = cloze.prompt().startsWith("Count up") ? by : -by;
      for (int i = 1; i < numbers.length; i++) {
        assertThat(numbers[i] - numbers[i - 1]).as(cloze.text()).isEqualTo(step);
      }
    }
  }

  /// What comes out, read from the words alone: a number counts against the sum after a word of
  /// losing.
  private static int sum(String prompt) {
    var swapped = Pattern.compile("take (\\d+) from (\\d+)").matcher(prompt);
    var difference = Pattern.compile("between (\\d+) and (\\d+)").matcher(prompt);
    String words =
        swapped.find()
            ? "%s minus %s".formatted(swapped.group(2), swapped.group(1))
            : difference.find()
                ? "%s minus %s".formatted(difference.group(1), difference.group(2))
                : prompt;
    return Pattern.compile("(\\S+ )?(\\d+)")
        .matcher(words)
        .results()
        .mapToInt(m ->
            Integer.parseInt(m.group(2))
                * (m.group(1) != null
                        && m.group(1).matches("(minus|-|loses|lost|gives|sold|sells|took) ")
                    ? -1
                    : 1))
        .sum();
  }
}
