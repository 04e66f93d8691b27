// A command line as one writes it, instead of an argument a line. No test is here.

/** The arguments in a text without quotes: those between its spaces. */
export const words = (text: string): string[] => text.split(' ')
