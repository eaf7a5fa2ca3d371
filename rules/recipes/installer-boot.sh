# Files out of the packages in repo/ as the tree $OUT. FILES: lines of package|path in it|names not meant|path in the
# image|optional or nothing; a path in the image that ends in / is a directory for any number of files.

# of PACKAGE: the directory with its files, unpacked once.
of() {
    of_dir=$TMPDIR/$1
    [ -d "$of_dir" ] || {
        of_file=
        for of_each in repo/*.rpm; do
            [ "$(rpm --query --nosignature --queryformat '%{NAME}' --package "$of_each")" != "$1" ] || of_file=$of_each
        done
        [ -n "$of_file" ] || die "$1 is not among the packages"
        mkdir "$of_dir"
        rpm2cpio "$of_file" >"$TMPDIR/cpio" || die "${of_file##*/} cannot be opened"
        (cd "$of_dir" && cpio --quiet --extract --make-directories --preserve-modification-time --no-absolute-filenames) \
            <"$TMPDIR/cpio" || die "${of_file##*/} cannot be unpacked"
    }
    printf '%s\n' "$of_dir"
}

printf '%s\n' "$FILES" | while IFS='|' read -r package path but as optional; do
    dir=$(of "$package")
    found=
    for file in "$dir"/$path; do
        { [ -f "$file" ] && [ ! -L "$file" ]; } || continue
        # shellcheck disable=SC2254 # it is a pattern
        case ${file##*/} in ${but:-/}) continue ;; esac
        case $as in
            */) to=$OUT/$as${file##*/} ;;
            *)
                [ -z "$found" ] || die "$package: more than one file is $path: ${found##*/}, ${file##*/}"
                to=$OUT/$as
                ;;
        esac
        found=$file
        mkdir -p "${to%/*}"
        cp --preserve=timestamps "$file" "$to"
        chmod 644 "$to"
    done
    [ -n "$found" ] || [ -n "$optional" ] || die "$package has no file $path${but:+ (but $but)}"
done
