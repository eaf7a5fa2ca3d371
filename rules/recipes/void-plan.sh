# What mkiso.sh would have mklive.sh do, as a tree: `args`, one a line, and `include`, what it adds to the image. WORDS: what
# make would run; REVISION of the checkout, or $GIT, a file that has it.

plan=$PWD/$OUT
mkdir "$plan/include"
: >"$plan/args"
# A stand-in for mklive.sh that only writes down what it is asked for.
cat >mklive/mklive.sh <<'END'
#!/bin/sh -eu
while [ $# -gt 0 ]; do
    case $1 in
        -o | -r) shift ;;
        -I) cp -RPp "$2"/. "$PLAN/include"; shift ;;
        *) printf '%s\n' "$1" >>"$PLAN/args" ;;
    esac
    shift
done
END
chmod 755 mklive/mklive.sh
[ -z "${GIT:-}" ] || REVISION=$(cat "$GIT")
cd mklive
words_without r
# Without a revision the script would ask git, which knows nothing here.
PLAN=$plan MKLIVE_REV=${REVISION:- } "$script" "${words[@]}"
[ -s "$plan/args" ] || { echo "imagemake: mkiso.sh did not call mklive.sh" >&2; exit 1; }
