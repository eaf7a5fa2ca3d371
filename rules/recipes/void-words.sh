# Shared by recipes that run what make would run of a void-mklive checkout: WORDS, one a line.

# words_without LETTERS: the script and its words as the array `words`, without options of these letters and their values.
words_without() {
    local ww_word ww_skip='' ww_end=''
    words=()
    while IFS= read -r ww_word; do
        if [ -n "$ww_skip" ]; then
            ww_skip=''
            continue
        fi
        if [ -z "$ww_end" ]; then
            case $ww_word in
                --) ww_end=yes ;;
                -["$1"])
                    ww_skip=yes
                    continue
                    ;;
            esac
        fi
        words+=("$ww_word")
    done <<<"$WORDS"
    # Options of ours come before its own.
    script=${words[0]}
    words=("${words[@]:1}")
}
