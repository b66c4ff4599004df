import dev.fathom.text.Encoding;
import dev.fathom.text.TokenDisplay;
import dev.fathom.text.Tokenizers;

/// Prints the tokens of a text. Arguments: a tokenizer.json, tokenizer.model or directory; a text.
void main(String[] args) {
  var tokenizer = Tokenizers.load(Path.of(args[0]));
  String text = args[1];
  Encoding tokens = tokenizer.encode(text); // with the special tokens that the files ask for
  for (int i = 0; i < tokens.size(); i++) {
    String covered = text.substring(tokens.start(i), tokens.end(i));
    IO.println(
        "%6d  %-12s %2d–%-2d '%s'"
            .formatted(
                tokens.id(i),
                TokenDisplay.of(tokenizer, tokens.id(i)),
                tokens.start(i),
                tokens.end(i),
                covered));
  }
  IO.println(tokenizer.decode(tokens.ids(), true));
}
