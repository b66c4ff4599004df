package dev.fathom.data;

import dev.fathom.text.Encoding;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Specials;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.chat.ChatTemplate;
import dev.fathom.text.chat.Message;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// A text as a model reads it.
///
/// Trailing spaces are taken off: they would become a token of their own, after which a model
/// rarely expects a word. The start token is added exactly when the tokenizer's own files say so;
/// an end token that they add is left out where the text is to go on.
///
/// @param text what was tokenized: after the chat template, without trailing spaces
/// @param tokens its tokens, special ones included
/// @param startToken whether the first token is a start token that stands for no text
/// @param chat whether the text came out of a chat template
/// @param notes what was done to the text that its author may not expect, one sentence each
public record Prompt(
    String text, Encoding tokens, boolean startToken, boolean chat, List<String> notes) {
  public Prompt {
    notes = List.copyOf(notes);
    if (tokens.size() == 0) {
      throw new IllegalArgumentException("The prompt is empty: it has no tokens.");
    }
  }

  /// How a text becomes a prompt.
  ///
  /// @param chat whether it goes through the tokenizer's chat template as a user's message
  /// @param system the system message of the chat template; only with `chat`
  /// @param startToken whether to begin with the start token; empty for as the tokenizer's files
  ///   say
  /// @param goesOn whether the text is to be continued (decoders): no end token is added
  public record Options(
      boolean chat, Optional<String> system, Optional<Boolean> startToken, boolean goesOn) {
    /// A plain text that is to be continued.
    public static final Options PLAIN =
        new Options(false, Optional.empty(), Optional.empty(), true);

    /// A plain text that is complete, as masked models and classifiers read it.
    public static final Options COMPLETE =
        new Options(false, Optional.empty(), Optional.empty(), false);

    public Options {
      if (system.isPresent() && !chat) {
        throw new IllegalArgumentException("A system message needs the chat template.");
      }
    }
  }

  /// Makes a prompt of `text`.
  ///
  /// @throws IllegalArgumentException if the text is empty or only spaces, or the tokenizer has no
  ///   chat template or no start token and one is asked for
  public static Prompt of(Tokenizer tokenizer, String text, Options options) {
    var notes = new ArrayList<String>();
    String wanted = stripped(text, notes);
    if (wanted.isEmpty()) {
      throw new IllegalArgumentException("The prompt is empty.");
    }
    if (options.chat()) {
      wanted = inTemplate(tokenizer, wanted, options.system());
    }
    var special = options.chat() ? SpecialTokens.NONE : SpecialTokens.AS_CONFIGURED;
    Encoding tokens = tokenizer.encode(wanted, special);
    if (options.goesOn()) {
      tokens = withoutEnd(tokens, tokenizer.specials());
    }
    if (options.startToken().isPresent()) {
      tokens = withStart(tokenizer, tokens, options.startToken().get());
    }
    return new Prompt(wanted, tokens, begins(tokens, tokenizer.specials()), options.chat(), notes);
  }

  /// A prompt of token ids, whose text is what they decode to.
  public static Prompt ofIds(Tokenizer tokenizer, int[] ids) {
    var pieces = new ArrayList<String>(ids.length);
    var text = new StringBuilder();
    int[] starts = new int[ids.length];
    int[] ends = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0) {
        throw new IllegalArgumentException(
            "%d is not a token id: ids start at 0.".formatted(ids[i]));
      }
      String display = tokenizer.display(ids[i]);
      pieces.add(ids[i] < tokenizer.size() ? tokenizer.piece(ids[i]) : display);
      starts[i] = text.length();
      text.append(tokenizer.isSpecial(ids[i]) ? "" : display);
      ends[i] = text.length();
    }
    var tokens = new Encoding(ids, pieces, starts, ends);
    return new Prompt(
        text.toString(), tokens, begins(tokens, tokenizer.specials()), false, List.of());
  }

  /// This prompt with one more token.
  public Prompt then(Tokenizer tokenizer, int id) {
    var pieces = new ArrayList<>(tokens.pieces());
    pieces.add(tokenizer.piece(id));
    String more = text + (tokenizer.isSpecial(id) ? "" : tokenizer.display(id));
    int[] ids = Arrays.copyOf(tokens.ids(), length() + 1);
    int[] starts = Arrays.copyOf(tokens.starts(), ids.length);
    int[] ends = Arrays.copyOf(tokens.ends(), ids.length);
    ids[length()] = id;
    starts[length()] = text.length();
    ends[length()] = more.length();
    return new Prompt(more, new Encoding(ids, pieces, starts, ends), startToken, chat, notes);
  }

  /// The token ids, a copy.
  public int[] ids() {
    return tokens.ids();
  }

  /// The number of tokens.
  public int length() {
    return tokens.size();
  }

  /// Refuses a prompt that a model cannot read.
  ///
  /// @param context positions the model has
  /// @param more tokens that are to follow the prompt
  /// @throws IllegalArgumentException if the model has fewer positions
  public Prompt requireFits(int context, int more) {
    if ((long) length() + more > context) {
      throw new IllegalArgumentException(
          "The prompt has %d tokens%s, but this model reads at most %d: shorten it."
              .formatted(
                  length(), more == 0 ? "" : " and %d are to follow".formatted(more), context));
    }
    return this;
  }

  private static String stripped(String text, List<String> notes) {
    int end = text.length();
    while (end > 0 && text.charAt(end - 1) == ' ') {
      end--;
    }
    int spaces = text.length() - end;
    if (spaces > 0 && end > 0) {
      notes.add(
          spaces == 1
              ? "The trailing space of the prompt was taken off."
              : "The %d trailing spaces of the prompt were taken off.".formatted(spaces));
    }
    return text.substring(0, end);
  }

  private static String inTemplate(Tokenizer tokenizer, String text, Optional<String> system) {
    String template =
        tokenizer
            .chatTemplate()
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "This model's tokenizer has no chat template: leave out --chat and --system."));
    var messages = new ArrayList<Message>();
    system.ifPresent(content -> messages.add(new Message("system", content)));
    messages.add(new Message("user", text));
    return ChatTemplate.parse(template).render(messages, true, templateVariables(tokenizer));
  }

  /// The special tokens as chat templates ask for them: `bos_token` and so on.
  public static Map<String, String> templateVariables(Tokenizer tokenizer) {
    Specials specials = tokenizer.specials();
    var variables = new HashMap<String, String>();
    put(variables, "bos_token", specials.bos(), tokenizer);
    put(variables, "eos_token", specials.eos(), tokenizer);
    put(variables, "unk_token", specials.unk(), tokenizer);
    put(variables, "pad_token", specials.pad(), tokenizer);
    return Map.copyOf(variables);
  }

  private static void put(
      Map<String, String> variables, String name, OptionalInt id, Tokenizer tokenizer) {
    if (id.isPresent() && id.getAsInt() < tokenizer.size()) {
      variables.put(name, tokenizer.piece(id.getAsInt()));
    }
  }

  private static OptionalInt startOf(Specials specials) {
    return specials.bos().isPresent() ? specials.bos() : specials.cls();
  }

  private static boolean isStart(int id, Specials specials) {
    return specials.bos().equals(OptionalInt.of(id)) || specials.cls().equals(OptionalInt.of(id));
  }

  private static boolean begins(Encoding tokens, Specials specials) {
    return tokens.size() > 0 && isStart(tokens.id(0), specials);
  }

  /// The tokens without an end token that was added, one that covers no text.
  static Encoding withoutEnd(Encoding tokens, Specials specials) {
    int last = tokens.size() - 1;
    boolean added =
        specials.addsEos()
            && last >= 0
            && tokens.start(last) == tokens.end(last)
            && (specials.eos().equals(OptionalInt.of(tokens.id(last)))
                || specials.sep().equals(OptionalInt.of(tokens.id(last))));
    return added ? part(tokens, 0, last) : tokens;
  }

  private static Encoding withStart(Tokenizer tokenizer, Encoding tokens, boolean wanted) {
    boolean there = begins(tokens, tokenizer.specials());
    if (there == wanted) {
      return tokens;
    }
    if (there) {
      return part(tokens, 1, tokens.size());
    }
    int start =
        startOf(tokenizer.specials())
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "This model's tokenizer has no start token: leave out --bos."));
    var pieces = new ArrayList<String>();
    pieces.add(tokenizer.piece(start));
    pieces.addAll(tokens.pieces());
    return new Encoding(
        shifted(tokens.ids(), start),
        pieces,
        shifted(tokens.starts(), 0),
        shifted(tokens.ends(), 0));
  }

  private static int[] shifted(int[] values, int first) {
    int[] result = new int[values.length + 1];
    result[0] = first;
    System.arraycopy(values, 0, result, 1, values.length);
    return result;
  }

  private static Encoding part(Encoding tokens, int from, int to) {
    return new Encoding(
        Arrays.copyOfRange(tokens.ids(), from, to),
        tokens.pieces().subList(from, to),
        Arrays.copyOfRange(tokens.starts(), from, to),
        Arrays.copyOfRange(tokens.ends(), from, to));
  }
}
