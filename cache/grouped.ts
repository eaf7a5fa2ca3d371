// Lists in groups.

/** The values in groups, each and all in their order of arrival. */
export function grouped<K, V>(values: Iterable<V>, by: (value: V) => K): ReadonlyMap<K, readonly V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) addTo(groups, by(value), value);
  return groups;
}

/** Adds a value to its group, without copying those that are there. */
export function addTo<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
