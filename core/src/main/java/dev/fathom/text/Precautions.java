package dev.fathom.text;

import dev.fathom.FathomException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What has to hold for a tokenizer.json before native code sees it. The library reports most
/// mistakes, but on some it panics, and a panic ends the whole process; those are caught here.
final class Precautions {

  private Precautions() {}

  static void check(ObjectNode root) {
    for (String part : new String[] {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
      checkStep(root.path(part));
    }
    checkMerges(root.path("model"));
  }

  /// Goes by what a step holds and not by its type, because the library does so too when it does
  /// not know the type.
  private static void checkStep(JsonNode step) {
    if (step.has("precompiled_charsmap")) {
      checkCharsMap(step.path("precompiled_charsmap"));
    }
    if (step.has("stop")) {
      checkStrip(step);
    }
    if (step.has("single") || step.has("pair")) {
      checkTemplate(step);
    }
    JsonNode pattern = step.path("pattern");
    if (pattern.path("Regex").isString()) {
      checkRegex(pattern.path("Regex").stringValue());
    }
    if (pattern.path("String").asString("-").isEmpty()) {
      throw new FathomException("expected a pattern to look for, found an empty string");
    }
    step.forEach(Precautions::checkStep);
  }

  /// The library follows the table without looking where it leads.
  private static void checkCharsMap(JsonNode blob) {
    try {
      CharsMap.parse(ByteBuffer.wrap(Base64.getDecoder().decode(blob.asString(""))));
    } catch (IllegalArgumentException e) {
      throw new FathomException("expected base64 in precompiled_charsmap, found other text", e);
    }
  }

  /// A decoder that strips from the end reads before the beginning of a shorter token. (The
  /// normalizer of the same name has other fields.)
  private static void checkStrip(JsonNode strip) {
    if (strip.path("stop").asInt(0) != 0) {
      throw new FathomException(
          "expected a Strip decoder with stop 0, found " + strip.path("stop"));
    }
  }

  /// Templates look their tokens up without asking whether they are there.
  private static void checkTemplate(JsonNode template) {
    JsonNode tokens = template.path("special_tokens");
    for (String part : new String[] {"single", "pair"}) {
      if (template.path(part).isString()) {
        throw new FathomException("expected a template as a list, found " + template.path(part));
      }
      for (JsonNode item : template.path(part)) {
        JsonNode id = item.path("SpecialToken").path("id");
        boolean known = id.isString() && tokens.path(id.stringValue()).isObject();
        if (!item.isObject() || (item.has("SpecialToken") && !known)) {
          throw new FathomException(
              "expected the template's token %s among its special_tokens, found none"
                  .formatted(id));
        }
      }
    }
    for (JsonNode token : tokens) {
      if (token.path("ids").size() != token.path("tokens").size()) {
        throw new FathomException(
            "expected as many ids as tokens in special_tokens, found %d and %d"
                .formatted(token.path("ids").size(), token.path("tokens").size()));
      }
    }
  }

  /// The prefix of continuing pieces is cut off the second half of every merge unseen.
  private static void checkMerges(JsonNode model) {
    String prefix = model.path("continuing_subword_prefix").asString("");
    if (prefix.isEmpty()) {
      return;
    }
    for (JsonNode merge : model.path("merges")) {
      String both = merge.asString("");
      String second =
          merge.isArray() ? merge.path(1).asString("") : both.substring(both.indexOf(' ') + 1);
      if (!second.startsWith(prefix)) {
        throw new FathomException(
            "expected merges that continue with \"%s\", found \"%s\"".formatted(prefix, second));
      }
    }
  }

  /// The library's matcher gives up, for good, on patterns that backtrack without end: a repeated
  /// group whose inside can match the same text in several ways. One whose alternatives or
  /// repetitions start with different things would be harmless, but that is not decided here.
  private static void checkRegex(String regex) {
    Deque<Boolean> groups = new ArrayDeque<>(); // has the open group a choice in it?
    boolean choice = false;
    boolean inClass = false;
    for (int i = 0; i < regex.length(); i++) {
      char c = regex.charAt(i);
      if (c == '\\') {
        i++;
      } else if (inClass) {
        inClass = c != ']';
      } else if (c == '[') {
        inClass = true;
        i += regex.startsWith("[^]", i) ? 2 : regex.startsWith("[]", i) ? 1 : 0;
      } else if (c == '(') {
        groups.push(choice);
        choice = false;
      } else if (c == ')') {
        if (choice && repeats(regex, i + 1)) {
          throw new FathomException(
              "expected a pattern without nested repetition, found \"%s\"".formatted(regex));
        }
        choice |= !groups.isEmpty() && groups.pop();
      } else if (c == '|' || repeats(regex, i)) {
        choice = true;
      }
    }
  }

  private static boolean repeats(String regex, int at) {
    if (at >= regex.length()) {
      return false;
    }
    char c = regex.charAt(at);
    int close = c == '{' ? regex.indexOf('}', at) : -1;
    return c == '*' || c == '+' || (close > 0 && regex.substring(at, close).contains(","));
  }
}
