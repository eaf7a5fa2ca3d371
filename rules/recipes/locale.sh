# Makes the locales LOCALES, one a line, in the tree at $OUT with its own programs, and LANGUAGE the system's. ARCH, CPU.

[ -z "$CPU" ] || emulate_foreign "$ARCH" "$CPU"
list=
for each in etc/locale.gen etc/default/libc-locales; do [ -n "$list" ] || ! present "$each" || list=$each; done
[ -n "$list" ] || ! present usr/sbin/locale-gen usr/bin/locale-gen || list=etc/locale.gen
# What glibc has in itself is not made.
wanted=$(printf '%s\n' "$LOCALES" | grep -v '^C\(\.UTF-8\)\?$' || :)

if [ -n "$wanted" ] && [ -n "$list" ]; then
    supported=$(real usr/share/i18n/SUPPORTED)
    at=$(real "$list")
    [ -e "$at" ] || : >"$at"
    printf '%s\n' "$wanted" | while read -r name; do
        # `de_CH.UTF-8 UTF-8`: the name and its characters.
        # shellcheck disable=SC2046 # one word or none
        line=$(cat "$at" $([ ! -e "$supported" ] || echo "$supported") | sed 's/^#* *//; s#/# #' |
            awk -v name="$name" '$1 == name && !found { print $1, $2; found = 1 }')
        [ -n "$line" ] || die "the tree does not know the locale $name ($list, usr/share/i18n/SUPPORTED)"
        grep -q "^$line\$" "$at" || { grep -v "^#* *$name " "$at" >"$TMPDIR/list" || :; echo "$line" >>"$TMPDIR/list"; cat "$TMPDIR/list" >"$at"; }
    done
    mounted
    case $list in
        etc/locale.gen) inside_tree locale-gen || die "locale-gen failed" ;;
        *) inside_tree xbps-reconfigure -f glibc-locales || die "glibc-locales could not be configured" ;;
    esac
    unmounted
    settle_tree
    # shellcheck disable=SC2154 # mounted sets it
    for each in $mo_made; do rmdir "$root/$each"; done
elif [ -n "$wanted" ]; then
    printf '%s\n' "$wanted" | while read -r name; do
        plain=$(printf '%s' "$name" | sed 's/\.UTF-8/.utf8/')
        present "usr/lib/locale/$plain" "usr/lib/locale/$name" ||
            die "the tree does not have the locale $name (usr/lib/locale/$plain), and nothing that makes it: install locales (Debian), glibc-locales (Void) or glibc-langpack-${name%%[_.@]*} (RPM)"
    done
fi

file=etc/locale.conf
! present usr/sbin/update-locale || file=etc/default/locale
case $file in */*/*) make_directories "${file%/*}" ;; esac
at=$(real "$file")
[ -e "$at" ] || { : >"$at"; chown 0:0 "$at"; chmod 644 "$at"; }
{ sed '/^LANG=/d' "$at" && echo "LANG=$LANGUAGE"; } >"$TMPDIR/lang"
cat "$TMPDIR/lang" >"$at"
