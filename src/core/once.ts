/** Makes something when it is first asked for, and hands out the same from then on: importing makes nothing. */
export function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
