# Shared by recipes that make repositories of RPM packages.

# index_packages DIR: DIR/Packages as a repository, the same bytes for the same packages: an index has the times of files.
index_packages() {
    find "$1/Packages" -type f -exec chmod 644 {} + -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    createrepo_c --quiet --no-database --revision "$SOURCE_DATE_EPOCH" --set-timestamp-to-revision "$1"
}
