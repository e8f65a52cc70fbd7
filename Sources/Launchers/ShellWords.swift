/// A word of a shell's command line, whatever stands in it.
func shellQuoted(_ word: String) -> String { "'" + word.replacing("'", with: #"'\''"#) + "'" }
