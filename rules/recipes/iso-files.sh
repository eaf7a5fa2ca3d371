# Shared by recipes that make a live image: which files come where in it. The contents are not copied on the way.

top=$TMPDIR/iso
grafts=$TMPDIR/grafts
: >"$grafts"
: >"$grafts.from"
: >"$grafts.pairs"
: >"$TMPDIR/files"
: >"$TMPDIR/directories"

# graft PLACE PATH: has a file or directory at a place of the image.
# No process is started for a file: there may be thousands.
graft() {
    places "$1" "$2"
    # What is = or \ in a path would end it.
    local gr_at=${1//\\/\\\\} gr_from=${2//\\/\\\\}
    printf '/%s=%s\n' "${gr_at//=/\\=}" "${gr_from//=/\\=}" >>"$grafts"
    printf '%s\0' "$2" >>"$grafts.from"
    printf '%s\0%s\0' "$1" "$2" >>"$grafts.pairs"
}
# places PLACE PATH: notes the files and directories that come into the image with it.
places() {
    local pl_at=$1
    while case $pl_at in *//*) : ;; *) false ;; esac; do pl_at=${pl_at//\/\//\/}; done
    pl_at=${pl_at#./}
    if [ -d "$2" ] && [ ! -L "$2" ]; then
        (cd "$2" && find . -mindepth 1 \( -type d -printf 'd%P\0' -o -printf 'f%P\0' \)) >"$TMPDIR/below"
        sed -z -n 's/^f//p' "$TMPDIR/below" | while IFS= read -r -d '' pl_each; do printf '%s\0' "$pl_at/$pl_each"; done >>"$TMPDIR/files"
        sed -z -n 's/^d//p' "$TMPDIR/below" | while IFS= read -r -d '' pl_each; do printf '%s\0' "$pl_at/$pl_each"; done >>"$TMPDIR/directories"
        printf '%s\0' "$pl_at" >>"$TMPDIR/directories"
    else
        printf '%s\0' "$pl_at" >>"$TMPDIR/files"
    fi
    while case $pl_at in */*) : ;; *) false ;; esac; do pl_at=${pl_at%/*} && printf '%s\0' "$pl_at" >>"$TMPDIR/directories"; done
}

# laid VARIABLE STRIP PLACE: the files of an input, at their places.
laid() {
    local la_value la_file
    eval "la_value=\$$1"
    # Of one file it is what it holds, under another name; the engine saw to it that a link leads to a file of the stage.
    [ "${3%/}" != "$3" ] || [ ! -L "$la_value" ] || la_value=$(realpath --relative-to=. "$la_value")
    if [ "${3%/}" = "$3" ] && { [ -f "$la_value" ] || { [ -d "$la_value" ] && [ ! -L "$la_value" ]; }; }; then
        graft "$3" "$la_value"
        return
    fi
    [ "${3%/}" != "$3" ] || die "contents: $3 is one file, but several are given; end it in / for a directory"
    printf '%s\n' "$la_value" | while IFS= read -r la_file; do
        graft "$3${la_file#"${2:+$2/}"}" "$la_file"
    done
}

# copied VARIABLE STRIP PLACE: the same, copied to below $top, where they take the place of what is there.
copied() {
    local co_value co_file co_at
    eval "co_value=\$$1"
    mkdir -p "$top/$3"
    if [ -d "$co_value" ] && [ ! -L "$co_value" ]; then
        cp -rL --no-preserve=all -- "$co_value/." "$top/$3"
        return
    fi
    printf '%s\n' "$co_value" | while IFS= read -r co_file; do
        co_at=$top/$3${co_file#"${2:+$2/}"}
        mkdir -p "${co_at%/*}"
        if [ -d "$co_file" ]; then mkdir -p "$co_at"; else cp -L --no-preserve=all -- "$co_file" "$co_at"; fi
    done
}

# at_place PLACE: what comes there, below whatever directory it is.
at_place() {
    local ap_at ap_from
    while IFS= read -r -d '' ap_at && IFS= read -r -d '' ap_from; do
        case $1 in
            "$ap_at") printf '%s\n' "$ap_from"; return ;;
            "$ap_at"/*) [ ! -f "$ap_from/${1#"$ap_at"/}" ] || { printf '%s\n' "$ap_from/${1#"$ap_at"/}"; return; } ;;
        esac
    done <"$grafts.pairs"
    die "the image has no $1"
}
