# Shared by recipes that install Debian packages, from repo/ alone. WITHOUT.

# excludes: the lines of $WITHOUT, what is not unpacked of packages, as dpkg has them.
excludes() { printf '%s\n' "$WITHOUT" | sed -n 's|^!/*|path-include=/|p; t; s|^/*\(..*\)$|path-exclude=/\1|p'; }

# closure: the names of all packages in repo/. The closure is what is installed, whoever asked for it: a list that changes
# without changing its closure must not change the tree.
closure() { sed -n 's/^Package: //p' repo/Packages | sort; }

# uri DIR: a directory's path as it stands in sources.list.
uri() { printf '%s' "$1" | sed 's/%/%25/g; s/ /%20/g; s/\[/%5B/g; s/\]/%5D/g'; }

# for_scripts COMMAND…: with the environment that packages' scripts may see, and nothing of ours: nobody to ask, no initrd
# (it is made from the finished tree), no order that depends on a hash's seed. NAME=VALUE before the command adds to it.
for_scripts() {
    env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
        DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes \
        INITRD=No PYTHONHASHSEED=0 "$@"
}

# answers DIR: puts debconf's answers, the lines of $DEBCONF or the files $PRESEED, into its databases in DIR.
answers() {
    [ -n "${DEBCONF:-}${PRESEED:-}" ] || return 0
    mkdir -p "$1"
    if [ -n "${DEBCONF:-}" ]; then printf '%s\n' "$DEBCONF"; else
        # shellcheck disable=SC2086 # paths are words
        cat $PRESEED
    fi >"$TMPDIR/answers"
    # As debconf's own configuration has it: passwords apart from the rest.
    cat >"$TMPDIR/debconf.conf" <<END
Config: configdb
Templates: templatedb

Name: config
Driver: File
Mode: 644
Backup: false
Reject-Type: password
Filename: $1/config.dat

Name: passwords
Driver: File
Mode: 600
Backup: false
Required: false
Accept-Type: password
Filename: $1/passwords.dat

Name: configdb
Driver: Stack
Stack: config, passwords

Name: templatedb
Driver: File
Mode: 644
Backup: false
Filename: $1/templates.dat
END
    for_scripts DEBCONF_SYSTEMRC="$TMPDIR/debconf.conf" debconf-set-selections "$TMPDIR/answers" ||
        die "debconf cannot take its answers: each line is a package, a question, a type and a value"
}

# asked_for: the names of packages in repo/ that count as asked for by name: those that no other one there needs (of a circle
# that nobody else needs, one), and the base of a system, by priority. It depends on the closure alone, as all of the tree.
asked_for() {
    awk '
        # What a field of relations names: without versions, architectures and whether all or one of them.
        function named(value) {
            gsub(/\([^)]*\)|:[a-z0-9-]+/, "", value)
            gsub(/[,|]/, " ", value)
            return value
        }
        # A name that is a package of the closure.
        function needs_too(name, other) { if (other in needs) edge[name, ++degree[name]] = other }
        # Everything that is needed from here on; a package is in `order` after all that it needs, but for circles. Chains are
        # longer than awk can call itself.
        function visit(name, round,    top, next_one) {
            if (seen[name] == round) return
            seen[name] = round
            way[top = 1] = name
            gone[1] = 0
            while (top > 0) {
                name = way[top]
                if (gone[top] == degree[name]) { order[++ordered] = name; top--; continue }
                next_one = edge[name, ++gone[top]]
                if (seen[next_one] == round) continue
                seen[next_one] = round
                way[++top] = next_one
                gone[top] = 0
            }
        }
        BEGIN { RS = ""; FS = "\n" }
        {
            gsub(/\n[ \t]+/, " ")
            split("", fields)
            for (i = 1; i <= NF; i++) {
                at = index($i, ": ")
                fields[substr($i, 1, at - 1)] = substr($i, at + 2)
            }
            name = fields["Package"]
            names[++count] = name
            needs[name] = named(fields["Depends"]) " " named(fields["Pre-Depends"])
            n = split(named(fields["Provides"]), of, " ")
            for (i = 1; i <= n; i++) providers[of[i]] = providers[of[i]] " " name
            base[name] = fields["Priority"] ~ /^(required|important)$/
        }
        END {
            for (i = 1; i <= count; i++) {
                n = split(needs[names[i]], of, " ")
                for (j = 1; j <= n; j++) {
                    needs_too(names[i], of[j])
                    m = split(providers[of[j]], by, " ")
                    for (k = 1; k <= m; k++) needs_too(names[i], by[k])
                }
            }
            for (i = 1; i <= count; i++) visit(names[i], 1)
            for (i = count; i >= 1; i--) {
                name = order[i]
                if (seen[name] != 2 || base[name]) print name
                visit(name, 2)
            }
        }' repo/Packages | sort
}

# mark_automatic: tells the apt in the tree, where there is one, which packages of repo/ only came along with others: these it
# may remove with them. Marks of what the tree held before stay.
mark_automatic() {
    ma_at=$(real var/lib/apt/extended_states)
    [ -d "${ma_at%/*}" ] || return 0
    closure >"$TMPDIR/closure"
    asked_for >"$TMPDIR/asked"
    {
        [ ! -e "$ma_at" ] || awk -v closure="$TMPDIR/closure" '
            BEGIN { while ((getline name < closure) > 0) ours["Package: " name] = 1; RS = ""; FS = "\n" }
            !($1 in ours) { print $0 "\n" }' "$ma_at"
        comm -23 "$TMPDIR/closure" "$TMPDIR/asked" | while read -r ma_name; do
            printf 'Package: %s\nArchitecture: %s\nAuto-Installed: 1\n\n' "$ma_name" "$ARCH"
        done
    } >"$TMPDIR/marks"
    if [ -s "$TMPDIR/marks" ]; then cat "$TMPDIR/marks" >"$ma_at"; else rm -f "$ma_at"; fi
}
