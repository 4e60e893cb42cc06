export const natsDirectory: string
