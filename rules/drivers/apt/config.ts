// apt's configuration for a snapshot: everything inside, nothing of the host's apt.conf.d.
// All paths begin with "./", which apt takes as relative to where it runs: its cache records the names of
// the lists, and a snapshot may be moved (and may lie under a path that apt.conf could not quote).

/** Where things are within a snapshot's directory. */
export const LISTS = "lists";
export const SOURCES = "sources.d";
export const PREFERENCES = "preferences";
export const SOURCE_CACHE = "srcpkgcache.bin";

/** apt without a host: `arch` alone, its directories below the working directory, no languages. */
export function privateConfig(arch: string): string {
  return `
APT::Architecture "${arch}";
APT::Architectures { "${arch}"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
// Whether an update is phased in here would be up to this machine's id; in a chroot apt takes all, too.
APT::Get::Always-Include-Phased-Updates "true";
// Every directory is the caller's own. A lock would be made beside the status file, in /dev.
Debug::NoLocking "true";
// Methods run as the caller: apt's own user cannot enter the state directory.
APT::Sandbox::User "root";
// mmdebstrap does so too: otherwise apt counts itself among the essential packages.
pkgCacheGen::ForceEssential ",";
Acquire::Languages "none";
Acquire::ForceHash "SHA256";
Dir "./";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "./${PREFERENCES}";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::Etc::netrc "/dev/null";
Dir::Etc::netrcparts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "./${SOURCES}/";
Dir::State "./";
Dir::State::lists "./${LISTS}/";
Dir::State::status "/dev/null";
Dir::State::extended_states "/dev/null";
Dir::Cache "./";
Dir::Cache::archives "./archives/";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "./${SOURCE_CACHE}";
`;
}
