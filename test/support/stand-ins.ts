// Stand-ins for distributions whose packages cannot be had here: Debian's systemd and openssh with units of the same shape as
// Arch's. They are written for the tests; nothing here is Arch's own.

/** `archlike`: a directory to lay over a tree, and a hook for when openssh-server is installed. */
export const STAND_INS: Readonly<Record<string, string>> = {
  // All keys at once, by one service.
  "archlike/usr/lib/systemd/system/sshd.service": sshd("sshdgenkeys.service"),
  "archlike/usr/lib/systemd/system/sshdgenkeys.service": `[Unit]
Description=Host keys, as a stand-in for Arch makes them
${["rsa", "ecdsa", "ed25519"].map((type) => `ConditionPathExists=|!/etc/ssh/ssh_host_${type}_key\n`).join("")}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A
`,
  // Its package manager's scriptlet makes a machine-id in the tree.
  "archlike.sh": hook('rm -f etc/machine-id\nchroot "$1" systemd-machine-id-setup\n'),
};

/** A server that wants and waits for what makes its keys. */
function sshd(keys: string): string {
  return `[Unit]
Description=SSH server of a stand-in
Wants=${keys}
After=network.target ${keys}

[Service]
Type=notify
RuntimeDirectory=sshd
ExecStart=/usr/sbin/sshd -D
KillMode=process

[Install]
WantedBy=multi-user.target
`;
}

/** Takes Debian's units of the server away, then does `more`. */
function hook(more: string): string {
  return `cd "$1"
rm -f usr/lib/systemd/system/ssh.* usr/lib/systemd/system/ssh@.service usr/lib/systemd/system/*/ssh.service
rm -f etc/systemd/system/sshd.service etc/systemd/system/*/ssh.service
${more}`;
}
