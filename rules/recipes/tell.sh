# loses SENTENCE NAMES, warns SENTENCE NAMES: what a person is told although all went well, with names, one a line: of
# what is not in the output as it was to be (an error with the guard `lossless`), and of what else is odd.
loses() { tell .losses "$@"; }
warns() { tell .warnings "$@"; }
told=$PWD
tell() { printf '%s\n' "$3" | T_SENTENCE=$2 awk '$0 != "" { print ENVIRON["T_SENTENCE"] "\t" $0 }' >>"$told/$1"; }

# early DIR FORMAT: files of DIR that are older than what FORMAT can say.
early() {
    loses "$2 has no times before 1970" "$(cd "$1" && find . -mindepth 1 ! -newermt @-1 -printf '%P\n' | LC_ALL=C sort)"
}
